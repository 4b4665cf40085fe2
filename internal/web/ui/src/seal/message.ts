// Opening of sealed messages: JWE in compact form with "dir" and A256GCM (RFC
// 7516), the protected header being the additional data. The header binds a
// message to its place: organisation, resource, item, part, revision and
// generation. A reader says what it asked for, and a message from any other
// place is refused, so the cloud can neither swap nor mix what it keeps.

import { decode, type Bytes } from "./base64url";

// Place is what a message is bound to ("hc" in the header).
export interface Place {
  org: string;
  resource: string;
  item: string;
  part: string;
  rev: number;
  generation: number;
}

// Wanted is a place as asked for. Revision and generation may be left open.
export type Wanted = Omit<Place, "rev" | "generation"> & Partial<Pick<Place, "rev" | "generation">>;

// Opener is a content key with its name.
export interface Opener {
  kid: string;
  key: CryptoKey;
}

// Refusal says why a message was not opened; its text names no content.
export class Refusal extends Error {
  constructor(
    readonly why:
      | "malformed" // not a message of this format
      | "context" // a message of another place
      | "key" // sealed under another key
      | "forged", // changed, or made without the key
    text: string,
  ) {
    super(text);
  }
}

const longest = 1 << 20; // characters; the cloud takes no more
const bindings = { o: "org", r: "resource", i: "item", p: "part", v: "rev", g: "generation" } as const;

const keyName = /^kms:[A-Za-z0-9_-]{21}[AQgw]\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const opaque = (v: unknown) => typeof v === "string" && /^[A-Za-z0-9_-]{21}[AQgw]$/.test(v); // 16 bytes
const integer = (v: unknown, least: number) => Number.isSafeInteger(v) && (v as number) >= least;

const forms: Record<keyof Place, (v: unknown) => boolean> = {
  org: opaque,
  resource: opaque,
  item: opaque,
  part: (v) => typeof v === "string" && /^[hbmcrn]$/.test(v),
  rev: (v) => integer(v, 1),
  generation: (v) => integer(v, 0),
};

interface Header {
  kid: string;
  place: Place;
}

// inspect reads the header of a message without opening it: nothing in it is
// to be believed before open has returned.
export function inspect(jwe: string): Header {
  return parse(jwe).header;
}

// open returns the plaintext of a message that lies where it was asked for,
// without the spaces that pad it.
export async function open(opener: Opener, want: Wanted, jwe: string): Promise<Bytes> {
  const { header, aad, iv, sealed } = parse(jwe);
  for (const name of Object.values(bindings)) {
    if (want[name] !== undefined && header.place[name] !== want[name]) {
      throw new Refusal("context", `message belongs elsewhere: ${name}`);
    }
  }
  if (header.kid !== opener.kid) throw new Refusal("key", "message is sealed under another key");
  let plain: Bytes;
  try {
    plain = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: aad }, opener.key, sealed));
  } catch {
    throw new Refusal("forged", "message was changed or made without its key");
  }
  let end = plain.length;
  while (end > 0 && plain[end - 1] === 0x20) end--;
  return plain.subarray(0, end);
}

// importKey makes a content key that WebCrypto never hands out again.
export function importKey(raw: Bytes): Promise<CryptoKey> {
  if (raw.length !== 32) throw new Refusal("malformed", "content key is not 256 bits long");
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]);
}

function parse(jwe: string) {
  if (jwe.length > longest) throw new Refusal("malformed", "message is too long");
  const parts = jwe.split(".");
  if (parts.length !== 5 || parts[1] !== "") throw new Refusal("malformed", "message is not a compact JWE with a direct key");
  try {
    const [head, , iv, text, tag] = parts.map(decode) as [Bytes, Bytes, Bytes, Bytes, Bytes];
    if (iv.length !== 12 || tag.length !== 16) throw new Refusal("malformed", "message has a wrong nonce or tag");
    const sealed = new Uint8Array(text.length + 16);
    sealed.set(text);
    sealed.set(tag, text.length);
    return { header: parseHeader(head), aad: new TextEncoder().encode(parts[0]!), iv, sealed };
  } catch (e) {
    throw e instanceof Refusal ? e : new Refusal("malformed", "message is malformed");
  }
}

// parseHeader accepts exactly the fields of the format, each once, without
// escapes or white space: no two readers can see different things in it. A
// field that this version does not know may change the meaning of the rest.
function parseHeader(raw: Bytes): Header {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  const head: unknown = JSON.parse(text);
  if (text.includes("\\") || JSON.stringify(head) !== text) throw new Refusal("malformed", "message header has another form");
  const { alg, enc, typ, kid, hc } = fields(head, ["alg", "enc", "kid", "typ", "hc"]);
  if (alg !== "dir" || enc !== "A256GCM" || typ !== "koyomi+jwe") throw new Refusal("malformed", "message uses another algorithm");
  if (typeof kid !== "string" || !keyName.test(kid)) throw new Refusal("malformed", "message names no key");
  const bound = fields(hc, Object.keys(bindings));
  const place: Record<string, unknown> = {};
  for (const [letter, name] of Object.entries(bindings)) {
    const v = bound[letter];
    if (!forms[name](v)) throw new Refusal("malformed", `message is bound wrongly: ${name}`);
    place[name] = v;
  }
  return { kid, place: place as unknown as Place };
}

function fields(v: unknown, names: string[]): Record<string, unknown> {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw new Refusal("malformed", "message header is no object");
  for (const name of Object.keys(v)) {
    if (!names.includes(name)) throw new Refusal("malformed", "message header has an unknown field");
  }
  return v as Record<string, unknown>;
}
