/** What the simulated provider keeps of a payment: 2.9 % rounded half up, and a fixed part. */
const fixed: Readonly<Record<string, bigint>> = {
  USD: 30n,
  EUR: 30n,
  JPY: 40n,
  KWD: 100n,
  USDC: 0n,
};

export function sandboxFee(amount: bigint, currency: string): bigint {
  const fee = (amount * 29n + 500n) / 1_000n + (fixed[currency] ?? 30n);
  return fee < amount ? fee : amount;
}
