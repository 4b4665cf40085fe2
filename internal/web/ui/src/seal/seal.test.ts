import { describe, expect, test } from "vitest";
import { decode, encode } from "./base64url";
import { importKey, inspect, open, Refusal } from "./message";
import { generate, sign } from "./signature";
import { vectors } from "./vectors";

const text = (b: Uint8Array) => new TextDecoder().decode(b);

describe("base64url", () => {
  test.each([0, 1, 2, 3, 31, 32, 33, 1000])("%i bytes come back", (n) => {
    const data = crypto.getRandomValues(new Uint8Array(n));
    expect(decode(encode(data))).toEqual(data);
    expect(encode(data)).toBe(Buffer.from(data).toString("base64url"));
  });

  test.each(["A", "AAAAA", "AB", "AAB", "AA=", "AA==", "A+AA", "A/AA", "AA\n", " AAA", "ＡAAA", "A\u{1f600}A"])("%j is refused", (bad) => {
    expect(() => decode(bad)).toThrow();
  });
});

describe("sealed messages", () => {
  const all = vectors("open.txt");

  test("there are vectors of every kind", () => {
    expect(all.length).toBeGreaterThan(40);
    expect(new Set(all.map((v) => v.expect))).toEqual(new Set(["ok", "malformed", "context", "key", "forged"]));
  });

  test.each(all.map((v) => [v.name!, v] as const))("%s", async (_, v) => {
    const opener = { kid: v.kid!, key: await importKey(decode(v.key!)) };
    const rev = Number(v.rev);
    const generation = Number(v.generation);
    const want = { org: v.org!, resource: v.resource!, item: v.item!, part: v.part!, ...(rev && { rev }), ...(generation && { generation }) };
    const result = open(opener, want, v.jwe!).then(text, (e: unknown) => (e as Refusal).why);
    expect(await result).toBe(v.expect === "ok" ? v.plaintext : v.expect);
  });

  test("every changed character is refused", async () => {
    const v = all.find((x) => x.expect === "ok" && x.name === "head")!;
    const opener = { kid: v.kid!, key: await importKey(decode(v.key!)) };
    const want = { org: v.org!, resource: v.resource!, item: v.item!, part: v.part! };
    const jwe = v.jwe!;
    let refused = 0;
    for (let i = 0; i < jwe.length; i += 7) {
      const other = jwe[i] === "A" ? "B" : "A";
      await open(opener, want, jwe.slice(0, i) + other + jwe.slice(i + 1)).then(
        () => expect.unreachable(`changed at ${i}`),
        (e) => e instanceof Refusal && refused++,
      );
    }
    expect(refused).toBe(Math.ceil(jwe.length / 7));
  });

  test("a message that is too long is not even read", () => {
    expect(() => inspect("A".repeat((1 << 20) + 1))).toThrow("too long");
  });

  test("a content key cannot be taken out again", async () => {
    const key = await importKey(crypto.getRandomValues(new Uint8Array(32)));
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("raw", key)).rejects.toThrow();
    expect(() => importKey(new Uint8Array(16))).toThrow("256 bits");
  });
});

describe("signatures", () => {
  const verify = async (jws: string, jwk: JsonWebKey) => {
    const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    const at = jws.lastIndexOf(".");
    return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, decode(jws.slice(at + 1)), new TextEncoder().encode(jws.slice(0, at)));
  };

  // The vectors pin what a signature is; what sign makes is checked by the
  // same function, and so is what the key server accepts.
  test("the published signature is one in our reading too", async () => {
    const v = vectors("jws.txt").find((x) => x.expect === "ok")!;
    expect(await verify(v.jws!, { kty: "EC", crv: "P-256", x: v.x!, y: v.y! })).toBe(true);
  });

  test("a request is signed by a key that cannot be taken out", async () => {
    const { key, jwk } = await generate();
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("jwk", key)).rejects.toThrow();
    expect(Object.keys(jwk).sort()).toEqual(["crv", "kty", "x", "y"]);
    const jws = await sign({ instance: "i1", key }, "koyomi-kms+jws", { op: "getKeys" });
    const [head, body] = jws.split(".").slice(0, 2).map((p) => JSON.parse(text(decode(p))));
    expect(head).toEqual({ alg: "ES256", kid: "i1", typ: "koyomi-kms+jws" });
    expect(body).toEqual({ op: "getKeys" });
    expect(await verify(jws, jwk)).toBe(true);
    expect(await verify(jws, (await generate()).jwk)).toBe(false);
  });
});
