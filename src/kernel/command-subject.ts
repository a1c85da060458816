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
  const ofEscrow = key === "" || key.startsWith("esc_");
  return ofEscrow ? { escrowId: key } : { escrowId: "", provider: key };
}
