// Signing of requests: JWS in compact form with ES256 (RFC 7515). The private
// key is made here, cannot be exported, and lives in IndexedDB.

import { encode, type Bytes } from "./base64url";

const curve = { name: "ECDSA", namedCurve: "P-256" };
const utf8 = new TextEncoder();

export interface Identity {
  instance: string; // name the key server gave to this browser
  key: CryptoKey; // private, not extractable
}

// generate makes the key pair of this browser. Of the pair, WebCrypto exports
// the public half only.
export async function generate(): Promise<{ key: CryptoKey; jwk: JsonWebKey }> {
  const pair = await crypto.subtle.generateKey(curve, false, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { key: pair.privateKey, jwk: { kty, crv, x, y } as JsonWebKey };
}

export async function sign(id: Identity, typ: string, payload: unknown): Promise<string> {
  const part = (v: unknown) => encode(utf8.encode(JSON.stringify(v)));
  const input = part({ alg: "ES256", kid: id.instance, typ }) + "." + part(payload);
  const sig = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, id.key, utf8.encode(input));
  return input + "." + encode(new Uint8Array(sig));
}

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}
