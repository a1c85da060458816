/**
 * What a command is about, as every answer names it. Its key is an escrow's id, of the form kept here,
 * or else the name of a provider, where it stops or resumes one, or sets an object of its aside.
 */
export interface CommandSubject {
  /** "" where it is about a provider, or nothing is known of it. */
  readonly escrowId: string;
  readonly provider?: string;
}

export function commandSubject(key: string): CommandSubject {
  return key === "" || isEscrowId(key) ? { escrowId: key } : { escrowId: "", provider: key };
}

export function isEscrowId(key: string): boolean {
  return key.startsWith("esc_");
}
