// What the views draw. One plain value, replaced as a whole, with whoever
// draws told of it.

import type { Trouble } from "../cloud/cloud";
import type { Meeting } from "../calendar/meeting";
import type { Marks } from "../calendar/reminder";

export interface State {
  phase:
    | "starting" // looking at what this browser keeps
    | "unable" // this browser cannot hold keys
    | "signed-out" // no keys here: a link is needed
    | "redeeming" // a link's codes are being turned into keys
    | "ready"; // there is a list, maybe an old one
  link: "connecting" | "live" | "offline";
  listed: boolean; // the list is complete as of `synced`; false: still loading for the first time
  served: boolean; // a calendar is delivered to this account
  synced: number; // Unix milliseconds of the last time everything was up to date, 0: never
  meetings: Meeting[];
  unopened: number; // entries that did not open with this browser's keys
  newer: boolean; // an entry needs a newer version of this app
  marks: Marks;
  trouble: Trouble | undefined;
}

export const initial: State = {
  phase: "starting",
  link: "connecting",
  listed: false,
  served: true,
  synced: 0,
  meetings: [],
  unopened: 0,
  newer: false,
  marks: {},
  trouble: undefined,
};

export class Store<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(change: Partial<T>): void {
    this.value = { ...this.value, ...change };
    for (const f of [...this.listeners]) f();
  }

  subscribe(f: () => void): () => void {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  }
}
