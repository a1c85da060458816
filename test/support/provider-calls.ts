/** Calls to a provider under contract, each with an operation of its own. */
import type {
  AccountRequest,
  Outcome,
  ProviderCall,
  ProviderPayment,
  ProviderRequest,
} from "../../src/modules/payments/provider.ts";
import type { Harness } from "./provider-harness.ts";

export function idOf(outcome: Outcome<{ readonly objectId: string }>): string {
  if (outcome.kind !== "succeeded") throw new Error(outcome.kind);
  return outcome.value.objectId;
}

export function accountFor(partyId: string): AccountRequest {
  const returnUrl = "https://market.example/return";
  const refreshUrl = "https://market.example/refresh";
  const wallet = { address: "", chainId: "", signature: "" };
  return { partyId, serviceId: "", returnUrl, refreshUrl, account: "", ...wallet };
}

export interface Calls {
  callFor(request?: Partial<ProviderRequest>, attempt?: number): ProviderCall;
  /** A payment that the buyer has paid, its fee known. */
  paid(party?: Partial<ProviderRequest>): Promise<ProviderPayment>;
}

export function createCalls(harness: Harness): Calls {
  const { provider } = harness;
  let count = 0;

  function callFor(request: Partial<ProviderRequest> = {}, attempt = 1): ProviderCall {
    count += 1;
    const { sellerId = harness.names.normal } = request;
    const whole: ProviderRequest = {
      operationId: `op_${count}`,
      escrowId: `esc_${count}`,
      paymentId: `pay_${count}`,
      paymentRef: "",
      buyerId: "alice",
      sellerId,
      amount: "10320",
      currency: "USD",
      descriptorSuffix: "",
      target: harness.targetOf(sellerId),
      ...request,
    };
    return {
      key: `${whole.operationId}.${attempt}`,
      bytes: new TextEncoder().encode(JSON.stringify(whole)),
      request: whole,
    };
  }

  async function paid(party: Partial<ProviderRequest> = {}): Promise<ProviderPayment> {
    const objectId = idOf(await provider.createPayment(callFor(party)));
    await harness.pay(objectId);
    await harness.goOn();
    const read = await provider.getPayment(objectId);
    if (read.kind !== "succeeded") throw new Error(read.kind);
    return read.value;
  }
  return { callFor, paid };
}
