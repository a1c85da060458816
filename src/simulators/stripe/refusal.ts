/** How the simulator says no: Stripe's error object with its HTTP status. */

export interface RefusalOptions {
  readonly status?: number;
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
  /** It had begun to execute: the answer is kept under the key, like a success. */
  readonly executed?: boolean;
}

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly options: RefusalOptions;
  constructor(message: string, options: RefusalOptions = {}) {
    super(message);
    this.options = options;
  }
}

export function errorBody({ message, options }: Refusal): object {
  const { type = "invalid_request_error", code, param } = options;
  return { error: { type, message, ...(code && { code }), ...(param && { param }) } };
}

export function missing(what: string, id: string): Refusal {
  return new Refusal(`No such ${what}: '${id}'`, {
    status: 404,
    code: "resource_missing",
    param: "id",
  });
}

export function invalid(param: string, message = `Invalid ${param}`): Refusal {
  return new Refusal(message, { status: 400, code: "parameter_invalid", param });
}
