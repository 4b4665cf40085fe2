// Follower brings what this browser holds up to what the cloud holds.

import { asTrouble, Trouble, type Cloud, type Page } from "../cloud/cloud";
import type { Event } from "../cloud/events";
import type { Keep } from "../keep/keep";
import type { KMS } from "../kms/kms";
import type { Shelf } from "./shelf";

const keyPause = 30_000; // milliseconds between two questions for keys that did not help

export class Follower {
  lastID = "";
  served = true;
  trouble: Trouble | undefined;
  private dirty = new Set<string>();
  private known: string[] = [];
  private checked = -Infinity;
  private asked = { missing: "-", at: -Infinity };

  constructor(
    private readonly cloud: Cloud,
    private readonly kms: KMS,
    private readonly keep: Keep,
    private readonly shelf: Shelf,
    private readonly now: () => number,
  ) {}

  note(ev: Event): void {
    if (ev.id !== undefined) this.lastID = ev.id;
    if (ev.name === "delivery") this.known = [];
    else if (ev.name !== "change") return;
    try {
      const { resource } = JSON.parse(ev.data) as { resource?: unknown };
      if (typeof resource === "string") this.dirty.add(resource);
    } catch {
      // a change without a name: the next full look finds it
    }
  }

  // waits reports whether it is time to look again for a calendar that was not
  // delivered yet, or for keys that were not there.
  waits(now: number): boolean {
    if (this.served && !this.trouble && this.shelf.missing().length === 0) return false;
    if (now - this.checked < 3000) return false;
    this.checked = now;
    return true;
  }

  // catchUp fetches what changed, everything if all is set, and reports
  // whether there was anything to do.
  async catchUp(all: boolean): Promise<boolean> {
    if (!all && this.dirty.size === 0) return false;
    const firstKeys = this.shelf.hasKeys() ? undefined : this.unlock(); // beside the first reading
    if (all || [...this.dirty].some((r) => !this.known.includes(r))) await this.enumerate();
    const todo = all ? this.known : [...this.dirty].filter((r) => this.known.includes(r));
    this.dirty.clear();
    for (const r of todo) await this.fetch(r);
    await firstKeys;
    await this.unlock();
    return true;
  }

  private async enumerate(): Promise<void> {
    const { resources } = await this.cloud.me();
    const kept = Object.keys((await this.keep.get("cursors")) ?? {});
    const lost = kept.filter((r) => !resources.includes(r));
    if (lost.length) await this.shelf.drop(lost);
    this.known = resources;
    this.served = resources.length > 0;
  }

  private async fetch(resource: string): Promise<void> {
    const cursor = ((await this.keep.get("cursors")) ?? {})[resource] ?? 0;
    try {
      await this.pages(resource, cursor, (page) => this.shelf.take(resource, page.items, page.cursor));
    } catch (e) {
      if (!(e instanceof Trouble) || e.status !== 410 || cursor === 0) throw e;
      await this.fetchAnew(resource);
    }
  }

  // fetchAnew reads everything of a resource whose cursor the cloud no longer
  // knows. What was kept stays as the measure of what is newer, and leaves at
  // the end if it is not there any more; the cursor moves then, so that a
  // crash in between begins again.
  private async fetchAnew(resource: string): Promise<void> {
    const there = new Set<string>();
    const end = await this.pages(resource, 0, async (page) => {
      for (const it of page.items) if (!it.deleted) there.add(it.item);
      await this.shelf.take(resource, page.items);
    });
    await this.shelf.retain(resource, there, end);
  }

  private async pages(resource: string, cursor: number, each: (page: Page) => Promise<void>): Promise<number> {
    for (let n = 0; n < 1000; n++) {
      const page = await this.cloud.items(resource, cursor);
      await each(page);
      if (!page.more || page.cursor <= cursor) return page.cursor;
      cursor = page.cursor;
    }
    throw new Trouble("cloud", "broken"); // a calendar has some hundred entries
  }

  // unlock fetches keys if an entry waits for one. What opens already stays
  // readable while the key server is away. A question that did not help is
  // asked again only after a pause, or when other keys are missing.
  private async unlock(): Promise<void> {
    const missing = this.shelf.missing().join();
    if (!this.served || (this.shelf.hasKeys() && missing === "")) {
      this.trouble = undefined;
      return;
    }
    const now = this.now();
    if (missing === this.asked.missing && now - this.asked.at < keyPause) return;
    this.asked = { missing, at: now };
    try {
      await this.shelf.addKeys(await this.kms.myKeys());
      const retired = this.shelf.missing();
      if (retired.length) await this.shelf.addKeys(await this.kms.keys(retired.slice(0, 50)));
      this.trouble = undefined;
    } catch (e) {
      this.trouble = asTrouble(e);
      if (this.trouble.kind === "away") this.asked.at = now - keyPause + 3000;
    }
  }
}
