/**
 * What a command is about, as answers name it. Its key is an escrow's id, or the name of a provider
 * where it stops or resumes one, or sets an object of its aside; an id has an underscore, a name has none.
 */
export type CommandSubject = { readonly escrowId: string } | { readonly provider: string };

export function commandSubject(key: string): CommandSubject {
  return /^[a-z]{1,32}$/.test(key) ? { provider: key } : { escrowId: key };
}
