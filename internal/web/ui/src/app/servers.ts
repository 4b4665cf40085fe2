// Servers for tests of the engine: a cloud and a key server in memory, as the
// wire contracts have them, that can be told to fail.

import type { Item } from "../cloud/cloud";
import type { Codes } from "./config";
import { decode, encode } from "../seal/base64url";

export const cloudBase = "https://cloud.example";
export const kmsBase = "https://kms.example";

const utf8 = new TextEncoder();

function id(): string {
  return encode(crypto.getRandomValues(new Uint8Array(16)));
}

interface Key {
  kid: string;
  raw: Uint8Array<ArrayBuffer>;
  part: string;
}

export interface Seen {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export class Servers {
  readonly authority = id();
  readonly org = id();
  readonly resource = id();
  readonly seen: Seen[] = [];
  readonly credential = encode(crypto.getRandomValues(new Uint8Array(32)));
  resources = [this.resource];
  cloud: "up" | "down" | "unknown" = "up";
  kms: "up" | "down" | "unknown" | "clock" = "up";
  codes: Codes = { kms: "k1", cloud: "c1" };
  loseEnrolAnswers = 0;
  reset = false; // cursors are no longer known
  head: Key = this.key("h");
  body: Key = this.key("b");
  retired: Key[] = [];
  private log: (Item & { at: number })[] = [];
  private cursor = 0;
  private events = 0;
  private streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  private enrolled = new Map<string, JsonWebKey>();

  readonly fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const headers = Object.fromEntries(new Headers(init.headers).entries());
    const body = typeof init.body === "string" ? init.body : init.body ? new TextDecoder().decode(init.body as Uint8Array) : "";
    this.seen.push({ url, headers, body });
    const path = new URL(url).pathname;
    if (url.startsWith(kmsBase)) return this.answerKMS(path, headers, body);
    return this.answerCloud(path, new URL(url).searchParams, headers, body, init.signal ?? undefined);
  };

  key(part: string): Key {
    return { kid: `kms:${this.authority}/${crypto.randomUUID()}`, raw: crypto.getRandomValues(new Uint8Array(32)), part };
  }

  async seal(key: Key, item: string, part: string, rev: number, content: unknown): Promise<string> {
    const hc = { o: this.org, r: this.resource, i: item, p: part, v: rev, g: 0 };
    const head = encode(utf8.encode(JSON.stringify({ alg: "dir", enc: "A256GCM", kid: key.kid, typ: "koyomi+jwe", hc })));
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const k = await crypto.subtle.importKey("raw", key.raw, "AES-GCM", false, ["encrypt"]);
    const plain = utf8.encode(JSON.stringify(content).padEnd(1024));
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8.encode(head) }, k, plain));
    return [head, "", encode(iv), encode(sealed.subarray(0, -16)), encode(sealed.subarray(-16))].join(".");
  }

  // meeting seals and puts both parts of a meeting and returns its item id.
  async meeting(subject: string, change: { item?: string; rev?: number; notes?: string } = {}): Promise<string> {
    const { item = id(), rev = 1, notes = "Agenda of " + subject } = change;
    const start = "2026-11-24T10:00:00Z";
    this.put({ item, part: "h", rev, jwe: await this.seal(this.head, item, "h", rev, { v: 1, uid: item, subject, start, end: "2026-11-24T10:30:00Z" }) });
    this.put({ item, part: "b", rev, jwe: await this.seal(this.body, item, "b", rev, { v: 1, notes }) });
    return item;
  }

  put(it: Item): void {
    this.log = this.log.filter((x) => !(x.item === it.item && (it.deleted || x.part === it.part)));
    this.log.push({ ...it, at: ++this.cursor });
    this.tell("change", { resource: this.resource, cursor: this.cursor });
  }

  tell(event: string, data: unknown): void {
    this.events++;
    for (const s of this.streams) s.enqueue(utf8.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\nid: ${this.events}\n\n`));
  }

  cut(): void {
    for (const s of this.streams) s.error(new Error("cut"));
    this.streams.clear();
  }

  listening(): boolean {
    return this.streams.size > 0;
  }

  entry(item: string, part: string): Item {
    return this.log.find((x) => x.item === item && x.part === part)!;
  }

  private answerCloud(path: string, query: URLSearchParams, headers: Record<string, string>, body: string, signal: AbortSignal | undefined): Response {
    if (this.cloud === "down") throw new TypeError("failed to fetch");
    if (path === "/config.json") return Response.json({ kms: kmsBase, authority: this.authority, org: this.org });
    if (path === "/v1/redeem") {
      if (JSON.parse(body).code !== this.codes.cloud) return Response.json({}, { status: 403 });
      return Response.json({ credential: this.credential, account: id(), role: "user" });
    }
    if (this.cloud === "unknown" || headers.authorization !== "Bearer " + this.credential) return Response.json({}, { status: 401 });
    if (path === "/v1/me") return Response.json({ account: id(), role: "user", resources: this.resources });
    if (path === "/v1/events") {
      let mine: ReadableStreamDefaultController<Uint8Array>;
      const stream = new ReadableStream<Uint8Array>({
        start: (c) => void (this.streams.add((mine = c)), c.enqueue(utf8.encode(": here\n\n"))),
        cancel: () => void this.streams.delete(mine),
      });
      signal?.addEventListener("abort", () => this.streams.delete(mine) && mine.error(new DOMException("aborted", "AbortError")));
      return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
    }
    const after = Number(query.get("after"));
    if (this.reset && after > 0) return Response.json({ error: { code: "reset" } }, { status: 410 });
    this.reset = false;
    const rest = this.log.filter((x) => x.at > after);
    const page = rest.slice(0, 3); // small pages, so that there are several
    return Response.json({ items: page, cursor: page.at(-1)?.at ?? after, more: rest.length > 3 });
  }

  private async answerKMS(path: string, headers: Record<string, string>, body: string): Promise<Response> {
    if (this.kms === "down") throw new TypeError("failed to fetch");
    if (path === "/kms/v1/enrol") {
      const { code, jwk } = JSON.parse(body);
      if (code !== this.codes.kms) return Response.json({}, { status: 403 });
      const known = [...this.enrolled.values()].some((k) => k.x === jwk.x);
      if (this.enrolled.size > 0 && !known) return Response.json({}, { status: 403 }); // another key, and the code is spent
      this.enrolled.set("instance-1", jwk);
      if (this.loseEnrolAnswers-- > 0) throw new TypeError("failed to fetch");
      return Response.json({ instance: "instance-1", authority: this.authority, org: this.org, role: "user", user: "hanako" });
    }
    if (this.kms === "unknown") return Response.json({}, { status: 401 });
    const op = path.split("/").at(-1)!;
    const claims = await this.verify(headers.authorization ?? "", op, body);
    if (!claims) return Response.json({}, { status: 401 });
    if (this.kms === "clock" && Math.abs(claims.iat - 1_700_000_000) > 300) {
      return Response.json({ error: { code: "clock", message: "" }, now: 1_700_000_000 }, { status: 425 });
    }
    const wire = (k: Key) => ({ kid: k.kid, k: encode(k.raw) });
    if (op === "myResources") {
      return Response.json({ resources: [{ resource: this.resource, org: this.org, keys: { h: wire(this.head), b: wire(this.body) } }] });
    }
    const { kids } = JSON.parse(body) as { kids: string[] };
    const found = this.retired.filter((k) => kids.includes(k.kid));
    return Response.json({ keys: found.map((k) => ({ ...wire(k), resource: this.resource, part: k.part })) });
  }

  private async verify(header: string, op: string, body: string): Promise<{ iat: number } | undefined> {
    const [, head, payload, sig] = /^KMS-JWS ([^.]+)\.([^.]+)\.([^.]+)$/.exec(header) ?? [];
    if (!head || !payload || !sig) return undefined;
    const jwk = this.enrolled.get(JSON.parse(new TextDecoder().decode(decode(head))).kid);
    if (!jwk) return undefined;
    const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    if (!(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, decode(sig), utf8.encode(head + "." + payload)))) return undefined;
    const claims = JSON.parse(new TextDecoder().decode(decode(payload)));
    const hash = encode(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(body))));
    return claims.aud === this.authority && claims.op === op && claims.bh === hash && decode(claims.jti).length === 16 ? claims : undefined;
  }
}
