/**
 * The only source of time. Business time (`now`) moves with the sandbox's test clock; wall time
 * (`wall`) is real and serves tokens, signatures, leases and back-off.
 */
export interface Clock {
  /** Business time: the database's clock plus the test clock's offset. */
  now(): Date;
  /** Real time. */
  wall(): Date;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** How far business time is ahead of real time; 0 outside the sandbox. */
  offsetMs(): bigint;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
