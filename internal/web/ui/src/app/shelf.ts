// The opened list: sealed parts in, meetings out. It knows which key opens
// what, refuses what does not lie where it should, and never goes back to an
// older revision.

import type { Item } from "../cloud/cloud";
import { Newer, parseDetails, parseHead, type Details, type Meeting } from "../calendar/meeting";
import type { Keep, SealedPart, StoredKey } from "../keep/keep";
import type { ContentKey } from "../kms/kms";
import { importKey, inspect, open, Refusal } from "../seal/message";

type Why = "refused" | "newer" | NoKey;

export class Shelf {
  private keys = new Map<string, StoredKey>();
  private readonly meetings = new Map<string, Meeting>();
  private readonly closed = new Map<string, Why>(); // heads that did not open, and why

  constructor(
    private readonly keep: Keep,
    private readonly org: string,
    private readonly opened: (m: Meeting) => void = () => {},
  ) {}

  // load opens everything that this browser keeps.
  async load(): Promise<void> {
    this.keys = new Map((await this.keep.keys()).map((k) => [k.kid, k]));
    const heads = await this.keep.parts("h");
    await Promise.all(heads.map((p) => this.show(p)));
  }

  list(): Meeting[] {
    return [...this.meetings.values()];
  }

  unopened(): number {
    return this.closed.size;
  }

  // newer reports whether an entry needs a newer version of this app.
  newer(): boolean {
    return [...this.closed.values()].includes("newer");
  }

  // missing names the keys that entries wait for, in a stable order.
  missing(): string[] {
    const kids = [...this.closed.values()].filter((why) => typeof why === "object").map((why) => why.kid);
    return [...new Set(kids)].sort();
  }

  hasKeys(): boolean {
    return this.keys.size > 0;
  }

  async addKeys(fresh: ContentKey[]): Promise<void> {
    const added: StoredKey[] = [];
    for (const { kid, resource, part, raw } of fresh) {
      if (this.keys.has(kid)) continue;
      added.push({ kid, resource, part, key: await importKey(raw) });
    }
    if (added.length === 0) return;
    await this.keep.putKeys(added);
    for (const k of added) this.keys.set(k.kid, k);
    if (this.closed.size > 0) {
      const heads = await this.keep.parts("h");
      await Promise.all(heads.filter((p) => this.closed.has(id(p))).map((p) => this.show(p)));
    }
  }

  // take stores and shows one page of changes of a resource, and with a cursor
  // that it needs not be fetched again.
  async take(resource: string, items: Item[], cursor?: number): Promise<void> {
    const told = items.flatMap(({ item, part = "", rev, jwe = "", deleted = false }) =>
      (deleted ? ["h", "b"] : [part]).map((p) => ({ resource, item, part: p, rev, jwe: deleted ? "" : jwe })),
    );
    const known = await this.keep.find(told);
    const changed = told.filter((p, i) => isNewer(p, known[i]));
    await this.keep.take(resource, changed, cursor);
    await Promise.all(changed.filter((p) => p.part === "h").map((p) => this.show(p)));
  }

  // retain drops the entries of a resource that are not among the items.
  async retain(resource: string, items: Set<string>, cursor: number): Promise<void> {
    const parts = [...(await this.keep.parts("h")), ...(await this.keep.parts("b"))];
    const gone = parts.filter((p) => p.resource === resource && !items.has(p.item)).map((p) => ({ ...p, jwe: "" }));
    await this.keep.take(resource, gone, cursor);
    await Promise.all(gone.filter((p) => p.part === "h").map((p) => this.show(p)));
  }

  // details opens the second part of a meeting; undefined: there is none.
  async details(m: Meeting): Promise<Details | undefined> {
    const [p] = await this.keep.find([{ resource: m.resource, item: m.item, part: "b" }]);
    return p?.jwe ? parseDetails(await this.unseal(p)) : undefined;
  }

  drop(resources: string[]): Promise<void> {
    for (const m of this.list()) if (resources.includes(m.resource)) this.meetings.delete(m.id);
    for (const k of [...this.closed.keys()]) if (resources.some((r) => k.startsWith(r + "/"))) this.closed.delete(k);
    for (const k of [...this.keys.values()]) if (resources.includes(k.resource)) this.keys.delete(k.kid);
    return this.keep.drop(resources);
  }

  private async show(p: SealedPart): Promise<void> {
    const key = id(p);
    if (p.jwe === "") {
      this.meetings.delete(key);
      this.closed.delete(key);
      return;
    }
    try {
      const head = parseHead(await this.unseal(p));
      const before = this.meetings.get(key);
      if (before && before.rev > p.rev) return; // a later revision was opened meanwhile
      const m = { ...head, id: key, resource: p.resource, item: p.item, rev: p.rev };
      this.meetings.set(key, m);
      this.closed.delete(key);
      this.opened(m);
    } catch (e) {
      this.meetings.delete(key); // an outdated entry misleads more than a missing one
      this.closed.set(key, e instanceof NoKey ? e : e instanceof Newer ? "newer" : "refused");
    }
  }

  private unseal(p: SealedPart): Promise<Uint8Array> {
    const { kid } = inspect(p.jwe);
    const k = this.keys.get(kid);
    if (!k) throw new NoKey(kid);
    if (k.resource !== p.resource || k.part !== p.part) throw new Refusal("key", "message is sealed with another part's key");
    const want = { org: this.org, resource: p.resource, item: p.item, part: p.part, rev: p.rev };
    return open(k, want, p.jwe);
  }
}

// isNewer: a tombstone takes away the revision that it names, too.
function isNewer(p: SealedPart, known: SealedPart | undefined): boolean {
  return !known || p.rev > known.rev || (p.rev === known.rev && p.jwe === "");
}

class NoKey extends Error {
  constructor(readonly kid: string) {
    super("message waits for its key");
  }
}

function id(p: { resource: string; item: string }): string {
  return p.resource + "/" + p.item;
}
