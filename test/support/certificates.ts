/**
 * Certificates for tests, made by openssl: an authority, what it issues for 127.0.0.1 and localhost,
 * one that has run out, and a stranger's authority. Keys are PKCS #8, as Kafka and Bun take them.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasOpenssl } from "../../scripts/backing/install.ts";
import { run } from "../../scripts/process.ts";

export interface Issued {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as Kafka's key store wants them. */
  readonly both: string;
}

export interface Authority {
  readonly cert: string;
  issue(name: string, options?: { days?: number; names?: string }): Promise<Issued>;
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const here = "DNS:localhost,IP:127.0.0.1";

export async function createAuthority(folder: string, name: string): Promise<Authority> {
  const at = (file: string) => join(folder, `${name}-${file}`);
  const [key, cert] = [at("authority.key"), at("authority.pem")];
  const subject = ["-subj", `/CN=${name}`];
  if (!(await hasOpenssl())) throw new Error("openssl cannot be had");
  await run(
    ["openssl", "req", "-x509", ...curve, "-keyout", key, "-out", cert, ...subject, "-days", "2"],
    { cwd: folder },
  );
  return {
    cert,
    async issue(holder, { days = 2, names = here } = {}) {
      const issued = { cert: at(`${holder}.pem`), key: at(`${holder}.key`) };
      const [request, extensions, both] = [
        at(`${holder}.csr`),
        at(`${holder}.ext`),
        at(`${holder}.both.pem`),
      ];
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      const asked = ["openssl", "req", "-new", ...curve, "-keyout", issued.key, "-out", request];
      await run([...asked, "-subj", `/CN=${holder}`], { cwd: folder });
      const signed = ["openssl", "x509", "-req", "-in", request, "-CA", cert, "-CAkey", key];
      // Of no days: it has run out before anyone sees it.
      const kept = ["-days", String(days), "-extfile", extensions, "-out", issued.cert];
      // Not from a file: several are issued at once, and would read it while another one writes it.
      const serial = `0x${randomBytes(8).toString("hex")}`;
      await run([...signed, "-set_serial", serial, ...kept], { cwd: folder });
      writeFileSync(both, readFileSync(issued.key, "utf8") + readFileSync(issued.cert, "utf8"));
      return { ...issued, both };
    },
  };
}
