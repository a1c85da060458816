/**
 * Thrown by a worker's step when it can never work again in this process, such as a consumer whose
 * group member died for good. The process ends, and whoever started it starts it anew.
 */
export class WorkerLostError extends Error {
  override readonly name = "WorkerLostError";
}
