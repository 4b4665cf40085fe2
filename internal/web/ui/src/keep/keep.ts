// What this browser keeps, in IndexedDB: its signing key and the content keys
// (none of which can be exported, not even by this code), the credential for
// the cloud, and the meetings as they came, still sealed. Nothing that a
// person wrote is kept in clear.

import type { Marks } from "../calendar/reminder";

// Session is made when a link's codes are redeemed.
export interface Session {
  kms: string; // origin of the key server
  authority: string; // name of the key server, signed into every request to it
  org: string; // organisation as bound into messages
  instance: string; // this browser's name at the key server
  key: CryptoKey; // ES256, not extractable
  credential: string; // for the cloud alone
}

export interface StoredKey {
  kid: string;
  resource: string;
  part: string;
  key: CryptoKey;
}

export interface Place {
  resource: string;
  item: string;
  part: string;
}

export interface SealedPart extends Place {
  rev: number;
  jwe: string; // "": deleted at that revision
}

interface Shapes {
  session: Session;
  cursors: Record<string, number>;
  synced: number;
  marks: Marks;
}

const name = "koyomi";

export class Keep {
  private constructor(private readonly db: IDBDatabase) {}

  static async open(factory: IDBFactory = indexedDB): Promise<Keep> {
    const req = factory.open(name, 1);
    req.onupgradeneeded = () => {
      req.result.createObjectStore("facts");
      req.result.createObjectStore("keys", { keyPath: "kid" });
      req.result.createObjectStore("parts", { keyPath: ["resource", "item", "part"] });
    };
    return new Keep(await settled(req));
  }

  close(): void {
    this.db.close();
  }

  get<K extends keyof Shapes>(fact: K): Promise<Shapes[K] | undefined> {
    return settled(this.db.transaction("facts").objectStore("facts").get(fact));
  }

  put<K extends keyof Shapes>(fact: K, value: Shapes[K]): Promise<void> {
    return this.write(["facts"], (tx) => tx.objectStore("facts").put(value, fact));
  }

  keys(): Promise<StoredKey[]> {
    return settled(this.db.transaction("keys").objectStore("keys").getAll());
  }

  putKeys(keys: StoredKey[]): Promise<void> {
    return this.write(["keys"], (tx) => keys.forEach((k) => tx.objectStore("keys").put(k)));
  }

  // parts returns every kept part of one kind ("h": heads).
  async parts(part: string): Promise<SealedPart[]> {
    const all: SealedPart[] = await settled(this.db.transaction("parts").objectStore("parts").getAll());
    return all.filter((p) => p.part === part && p.jwe !== "");
  }

  // find returns the kept parts at these places, in the same order, tombstones
  // among them.
  find(places: Place[]): Promise<(SealedPart | undefined)[]> {
    const store = this.db.transaction("parts").objectStore("parts");
    return Promise.all(places.map((p) => settled(store.get([p.resource, p.item, p.part]))));
  }

  // take stores a page of changes with the cursor behind it in one
  // transaction: after a crash the page is either whole or asked for again.
  take(resource: string, changed: SealedPart[], cursor: number | undefined): Promise<void> {
    return this.write(["parts", "facts"], (tx) => {
      const parts = tx.objectStore("parts");
      for (const p of changed) parts.put(p);
      if (cursor === undefined) return;
      const facts = tx.objectStore("facts");
      const req = facts.get("cursors");
      req.onsuccess = () => facts.put({ ...req.result, [resource]: cursor }, "cursors");
    });
  }

  // forget empties everything: the keys with it, so what was kept elsewhere of
  // the sealed meetings stays closed.
  forget(): Promise<void> {
    return this.write(["facts", "keys", "parts"], (tx) => {
      for (const s of ["facts", "keys", "parts"]) tx.objectStore(s).clear();
    });
  }

  // drop removes the kept copy of resources that are no longer ours.
  drop(resources: string[]): Promise<void> {
    return this.write(["parts", "keys", "facts"], (tx) => {
      for (const r of resources) {
        tx.objectStore("parts").delete(IDBKeyRange.bound([r], [r, []]));
      }
      const keys = tx.objectStore("keys");
      const all = keys.getAll();
      all.onsuccess = () => {
        for (const k of all.result as StoredKey[]) if (resources.includes(k.resource)) keys.delete(k.kid);
      };
      const facts = tx.objectStore("facts");
      const cur = facts.get("cursors");
      cur.onsuccess = () => {
        const rest = { ...cur.result };
        for (const r of resources) delete rest[r];
        facts.put(rest, "cursors");
      };
    });
  }

  private write(stores: string[], change: (tx: IDBTransaction) => void): Promise<void> {
    return new Promise((done, fail) => {
      const tx = this.db.transaction(stores, "readwrite", { durability: "strict" });
      tx.oncomplete = () => done();
      tx.onerror = tx.onabort = () => fail(tx.error ?? new Error("browser storage refused a write"));
      change(tx);
    });
  }
}

function settled<T>(req: IDBRequest<T>): Promise<T> {
  return new Promise((done, fail) => {
    req.onsuccess = () => done(req.result);
    req.onerror = () => fail(req.error);
  });
}
