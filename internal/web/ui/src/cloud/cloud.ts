// The cloud's interface as a person's app needs it. The cloud knows this
// browser by a bearer credential and nothing else.

// Item is a sealed part, or the tombstone of an item: deleted, without a part.
export interface Item {
  item: string;
  part?: string;
  rev: number;
  jwe?: string;
  deleted?: boolean;
}

export interface Page {
  items: Item[];
  cursor: number;
  more: boolean;
}

// Trouble is what can go wrong between this browser and one of the servers:
// "away" heals by itself, everything else needs somebody.
export class Trouble extends Error {
  constructor(
    readonly server: "cloud" | "kms",
    readonly kind: "away" | "busy" | "refused" | "code" | "gone" | "clock" | "broken",
    readonly status = 0,
  ) {
    super(`${server}: ${kind}`);
  }
}

// Fetch is the browser's fetch, handed in so that tests bring their own.
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export class Cloud {
  constructor(
    private readonly base: string,
    private readonly credential: string,
    private readonly fetch: Fetch,
  ) {}

  static async redeem(base: string, code: string, fetch: Fetch): Promise<string> {
    const res = await reach("cloud", fetch, base + "/v1/redeem", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (res.status >= 400 && res.status < 500 && res.status !== 429) throw new Trouble("cloud", "code", res.status);
    const { credential } = await answer<{ credential?: unknown }>("cloud", res);
    if (typeof credential !== "string") throw new Trouble("cloud", "broken");
    return credential;
  }

  async me(): Promise<{ resources: string[] }> {
    const me = await this.get<{ resources?: unknown }>("/v1/me");
    return { resources: Array.isArray(me.resources) ? me.resources.filter((r) => typeof r === "string") : [] };
  }

  async items(resource: string, after: number): Promise<Page> {
    const page = await this.get<Partial<Page>>(`/v1/resources/${encodeURIComponent(resource)}/items?after=${after}`);
    const items = page.items ?? [];
    if (!Array.isArray(items) || !Number.isSafeInteger(page.cursor)) throw new Trouble("cloud", "broken");
    return { items, cursor: page.cursor!, more: page.more === true };
  }

  // events opens the stream of changes; the caller reads it to its end.
  async events(lastID: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = { ...this.headers(), Accept: "text/event-stream" };
    if (lastID) headers["Last-Event-ID"] = lastID;
    const res = await reach("cloud", this.fetch, this.base + "/v1/events", { headers, signal });
    if (!res.ok || !res.body) throw failure("cloud", res);
    return res.body;
  }

  private async get<T>(path: string): Promise<T> {
    return answer<T>("cloud", await reach("cloud", this.fetch, this.base + path, { headers: this.headers() }));
  }

  private headers(): Record<string, string> {
    return { Authorization: "Bearer " + this.credential };
  }
}

const patience = 20_000; // milliseconds for one answer's headers

// reach sends a request without cookies, cache or referrer.
export async function reach(server: "cloud" | "kms", fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  const gone = new AbortController();
  const timer = setTimeout(() => gone.abort(), patience);
  const signal = init.signal ? AbortSignal.any([init.signal, gone.signal]) : gone.signal;
  try {
    return await fetch(url, {
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      ...init,
      signal,
    });
  } catch {
    throw new Trouble(server, "away");
  } finally {
    clearTimeout(timer);
  }
}

export async function answer<T>(server: "cloud" | "kms", res: Response): Promise<T> {
  if (!res.ok) throw failure(server, res);
  try {
    const v: unknown = await res.json();
    if (typeof v !== "object" || v === null) throw new Error();
    return v as T;
  } catch {
    throw new Trouble(server, "broken", res.status);
  }
}

export function failure(server: "cloud" | "kms", res: Response): Trouble {
  if (res.status === 429) return new Trouble(server, "busy", 429);
  if (res.status === 401 || res.status === 403) return new Trouble(server, "refused", res.status);
  if (res.status === 425) return new Trouble(server, "clock", 425);
  if (res.status === 404 || res.status === 410) return new Trouble(server, "gone", res.status);
  return new Trouble(server, res.status >= 500 ? "away" : "broken", res.status);
}

export function asTrouble(e: unknown): Trouble {
  return e instanceof Trouble ? e : new Trouble("cloud", "broken");
}
