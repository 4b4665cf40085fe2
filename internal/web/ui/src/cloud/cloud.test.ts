import { describe, expect, test } from "vitest";
import { Cloud, Trouble, type Fetch } from "./cloud";
import { Parser, read } from "./events";

describe("events", () => {
  const stream = ': hello\n\nevent: change\ndata: {"resource":"r","cursor":5}\nid: 7\n\n: beat\n\ndata: a\r\ndata: b\r\n\r\nid: 9\n\ndata: last, unfinished';
  const want = [
    { name: "change", data: '{"resource":"r","cursor":5}', id: "7" },
    { name: "message", data: "a\nb", id: undefined },
  ];

  test.each([1, 2, 3, 5, 1000])("in pieces of %i characters", (n) => {
    const p = new Parser();
    const got = [];
    for (let i = 0; i < stream.length; i += n) got.push(...p.push(stream.slice(i, i + n)));
    expect(got).toEqual(want);
  });

  test("fields without colon or value, and unknown ones", () => {
    expect(new Parser().push("data\nfoo: x\nevent:\nid: a\0b\ndata:  two\n\n")).toEqual([{ name: "message", data: "\n two", id: undefined }]);
  });

  test("an endless line is refused", () => {
    expect(() => new Parser().push("data: " + "x".repeat(70_000))).toThrow("too long");
  });

  test("reading tells signs of life and ends with the stream", async () => {
    const bytes = new TextEncoder().encode(stream.replace("a\r", "日本\r"));
    const body = new ReadableStream<Uint8Array>({
      start(c) {
        for (let i = 0; i < bytes.length; i += 4) c.enqueue(bytes.slice(i, i + 4)); // through the middle of characters
        c.close();
      },
    });
    let alive = 0;
    const data: string[] = [];
    await read(body, () => alive++, (e) => data.push(e.data));
    expect(alive).toBe(Math.ceil(bytes.length / 4));
    expect(data).toEqual([want[0]!.data, "日本\nb"]);
  });
});

describe("cloud", () => {
  const answering = (status: number, body: unknown, seen: Request[] = []): Fetch => {
    return async (url, init) => {
      seen.push(new Request(url, { ...init, redirect: "follow" } as RequestInit));
      return new Response(JSON.stringify(body), { status });
    };
  };

  test("sends the credential in a header and nothing in the address", async () => {
    const seen: Request[] = [];
    const c = new Cloud("https://cloud.example", "secret", answering(200, { items: [], cursor: 3, more: false }, seen));
    expect(await c.items("r/1", 2)).toEqual({ items: [], cursor: 3, more: false });
    expect(seen[0]!.url).toBe("https://cloud.example/v1/resources/r%2F1/items?after=2");
    expect(seen[0]!.headers.get("Authorization")).toBe("Bearer secret");
  });

  test.each([
    [401, "refused"],
    [403, "refused"],
    [404, "gone"],
    [410, "gone"],
    [425, "clock"],
    [429, "busy"],
    [500, "away"],
    [503, "away"],
    [418, "broken"],
  ] as const)("status %i is trouble of the kind %s", async (status, kind) => {
    const c = new Cloud("https://cloud.example", "x", answering(status, {}));
    await expect(c.me()).rejects.toMatchObject({ server: "cloud", kind, status });
  });

  test("no answer is trouble that heals by itself", async () => {
    const c = new Cloud("https://cloud.example", "x", () => Promise.reject(new TypeError("failed to fetch")));
    await expect(c.me()).rejects.toMatchObject({ kind: "away" });
  });

  test.each([
    ["no JSON", "<html>"],
    ["no object", "3"],
    ["no cursor", "{}"],
  ])("an answer with %s is not understood", async (_, body) => {
    const c = new Cloud("https://cloud.example", "x", async () => new Response(body));
    await expect(c.items("r", 0)).rejects.toMatchObject({ kind: "broken" });
  });

  test("a code that is not accepted is named as such", async () => {
    await expect(Cloud.redeem("https://cloud.example", "c", answering(403, {}))).rejects.toMatchObject({ kind: "code" });
    await expect(Cloud.redeem("https://cloud.example", "c", answering(429, {}))).rejects.toMatchObject({ kind: "busy" });
    await expect(Cloud.redeem("https://cloud.example", "c", answering(200, {}))).rejects.toBeInstanceOf(Trouble);
    expect(await Cloud.redeem("https://cloud.example", "c", answering(200, { credential: "k" }))).toBe("k");
  });
});
