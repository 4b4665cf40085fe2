// The key server's interface as a person's app needs it. Every request is
// signed by this browser's own key over authority, operation, body, time and a
// nonce: whoever records one can do nothing with it.

import { answer, reach, Trouble, type Fetch } from "../cloud/cloud";
import { decode, encode, type Bytes } from "../seal/base64url";
import { generate, sha256, sign, type Identity } from "../seal/signature";

export interface ContentKey {
  kid: string;
  resource: string;
  part: string;
  raw: Bytes;
}

export interface Enrolment extends Identity {
  authority: string;
  org: string;
}

type Pair = Awaited<ReturnType<typeof generate>>;

const utf8 = new TextEncoder();

// enrol has this browser's key accepted under a one-time code. The same key
// may ask again: an answer can be lost.
export async function enrol(base: string, code: string, pair: Pair, fetch: Fetch): Promise<Enrolment> {
  const res = await reach("kms", fetch, base + "/kms/v1/enrol", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code, jwk: pair.jwk }),
  });
  if (res.status >= 400 && res.status < 500 && res.status !== 429) throw new Trouble("kms", "code", res.status);
  const { instance, authority, org } = await answer<Record<string, unknown>>("kms", res);
  if (typeof instance !== "string" || typeof authority !== "string" || typeof org !== "string") {
    throw new Trouble("kms", "broken");
  }
  return { instance, authority, org, key: pair.key };
}

export class KMS {
  private ahead = 0; // of this browser's clock, milliseconds

  constructor(
    private readonly base: string,
    private readonly authority: string,
    private readonly id: Identity,
    private readonly fetch: Fetch,
    private readonly now: () => number,
  ) {}

  // myKeys returns the current keys of every resource that is this person's.
  async myKeys(): Promise<ContentKey[]> {
    const { resources } = await this.call<{ resources?: unknown }>("myResources", {});
    const out: ContentKey[] = [];
    for (const r of Array.isArray(resources) ? resources : []) {
      for (const [part, k] of Object.entries<{ kid: string; k: string }>(r.keys ?? {})) {
        out.push({ kid: k.kid, resource: r.resource, part, raw: decode(k.k) });
      }
    }
    return out;
  }

  // keys returns those of the named keys that are this person's, retired ones
  // too. At most 50 are asked for at once.
  async keys(kids: string[]): Promise<ContentKey[]> {
    const { keys } = await this.call<{ keys?: { kid: string; resource: string; part: string; k: string }[] }>("getKeys", { kids });
    return (keys ?? []).map(({ kid, resource, part, k }) => ({ kid, resource, part, raw: decode(k) }));
  }

  // call signs and sends one request. If the server finds this browser's clock
  // wrong, it says what time it is, and the request is made once more.
  private async call<T>(op: string, body: unknown): Promise<T> {
    const raw = utf8.encode(JSON.stringify(body));
    let res = await this.send(op, raw);
    if (res.status === 425) {
      const { error, now } = await res.json().catch(() => ({}));
      const server: unknown = now ?? error?.now;
      if (typeof server !== "number") throw new Trouble("kms", "clock", 425);
      this.ahead = this.now() - server * 1000;
      res = await this.send(op, raw);
    }
    return answer<T>("kms", res);
  }

  private async send(op: string, raw: Bytes): Promise<Response> {
    const jws = await sign(this.id, "koyomi-kms+jws", {
      aud: this.authority,
      op,
      bh: encode(await sha256(raw)),
      iat: Math.floor((this.now() - this.ahead) / 1000),
      jti: encode(crypto.getRandomValues(new Uint8Array(16))),
    });
    return reach("kms", this.fetch, `${this.base}/kms/v1/${op}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "KMS-JWS " + jws },
      body: raw,
    });
  }
}
