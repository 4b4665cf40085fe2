// The engine behind the views: signs in, keeps the list up to date over one
// stream of changes, falls back to what is kept when there is no network, and
// says in the state what it is doing.

import { asTrouble, Cloud, Trouble, type Fetch } from "../cloud/cloud";
import { read } from "../cloud/events";
import type { Details, Meeting } from "../calendar/meeting";
import { tidy, type Mark } from "../calendar/reminder";
import { Keep, type Session } from "../keep/keep";
import { enrol, KMS, type Enrolment } from "../kms/kms";
import { generate } from "../seal/signature";
import type { Clock } from "../time/clock";
import { parseConfig, type Codes, type Config } from "./config";
import { Follower } from "./follower";
import { Shelf } from "./shelf";
import { initial, Store, type State } from "./state";

export interface Options {
  base: string; // origin of the cloud
  fetch: Fetch;
  clock: Clock;
  random?: () => number;
  opened?: (m: Meeting, config: Config) => void;
}

const silence = 50_000; // without a heartbeat (every 20 s) for so long a stream is dead
const saveEvery = 60_000; // how often a live stream writes down that the list is current

export class Engine {
  readonly state = new Store<State>(initial);
  private readonly stopped = new AbortController();
  private keep!: Keep;
  private shelf!: Shelf;
  private session: Session | undefined;
  private followed: Session | undefined; // the session whose list is being kept up to date
  private config: Config = parseConfig({});
  private wake: () => void = () => {};
  private stream: AbortController | undefined;
  private readonly others = new BroadcastChannel("koyomi");

  constructor(private readonly o: Options) {
    this.others.onmessage = (e) => {
      if (e.data === "signed-out") this.leave();
      else if (this.keep) void this.loadMarks();
    };
  }

  // run does everything until stop is called. Codes come from a sign-in link.
  async run(codes?: Codes): Promise<void> {
    try {
      this.keep = await Keep.open();
      this.session = await this.keep.get("session");
      await this.loadMarks();
    } catch {
      this.state.set({ phase: "unable" });
      return;
    }
    if (this.session) await this.showKept(this.session);
    await this.learn();
    await this.settle(codes);
    if (this.session) await this.follow();
  }

  stop(): void {
    this.stopped.abort();
    this.stream?.abort();
    this.others.close();
    this.wake();
  }

  // nudge tries again at once: the network or the tab came back.
  nudge(): void {
    this.wake();
  }

  // cut ends the stream at once: the browser knows that the network is gone.
  cut(): void {
    this.stream?.abort();
  }

  // signIn takes the codes of a pasted link.
  async signIn(codes: Codes): Promise<void> {
    await this.learn();
    await this.settle(codes);
    if (this.session && this.session !== this.followed) void this.follow();
  }

  async signOut(): Promise<void> {
    await this.keep.forget();
    this.others.postMessage("signed-out");
    this.leave();
  }

  details(m: Meeting): Promise<Details | undefined> {
    return this.shelf.details(m);
  }

  // mark keeps the pop-up of a meeting quiet until a time.
  async mark(m: Meeting, until: number): Promise<void> {
    const mark: Mark = { start: m.start, until };
    const marks = { ...tidy(this.state.get().marks, this.o.clock.now()), [m.id]: mark };
    this.state.set({ marks });
    await this.keep.put("marks", marks);
    this.others.postMessage("marks");
  }

  private leave(): void {
    this.session = undefined;
    this.stream?.abort();
    this.wake();
    this.state.set({ ...initial, phase: "signed-out" });
  }

  private async loadMarks(): Promise<void> {
    this.state.set({ marks: (await this.keep.get("marks")) ?? {} });
  }

  private newShelf(s: Session): Shelf {
    return new Shelf(this.keep, s.org, (m) => this.o.opened?.(m, this.config));
  }

  // showKept shows the list as it was last time, before any server is asked.
  private async showKept(s: Session): Promise<void> {
    this.shelf = this.newShelf(s);
    await this.shelf.load();
    const synced = (await this.keep.get("synced")) ?? 0;
    this.publish({ phase: "ready", synced, listed: synced > 0 });
  }

  // learn asks the serving origin for its surroundings; offline, what the
  // session remembers is enough.
  private async learn(): Promise<void> {
    try {
      const res = await this.o.fetch(this.o.base + "/config.json", { cache: "no-store", credentials: "omit" });
      if (res.ok) this.config = parseConfig(await res.json());
    } catch {
      // offline
    }
  }

  // settle decides between the session that is here and a link that came.
  private async settle(codes: Codes | undefined): Promise<void> {
    const s = this.session;
    if (s && this.config.authority && this.config.authority !== s.authority) {
      await this.keep.forget(); // another installation answers at this address now
      this.session = undefined;
      this.state.set({ ...initial });
    } else if (s && codes && (await this.refused(s))) {
      await this.keep.forget();
      this.session = undefined;
      this.state.set({ ...initial });
    }
    if (this.session) return;
    if (!codes) {
      this.state.set({ phase: "signed-out" });
      return;
    }
    this.state.set({ phase: "redeeming", trouble: undefined });
    const session = await this.redeem(codes);
    if (!session) return;
    this.session = session;
    await this.keep.put("session", session);
    this.shelf = this.newShelf(session);
    this.state.set({ phase: "ready" });
  }

  private async refused(s: Session): Promise<boolean> {
    try {
      await new Cloud(this.o.base, s.credential, this.o.fetch).me();
      return false;
    } catch (e) {
      return e instanceof Trouble && e.kind === "refused";
    }
  }

  // redeem turns both codes into a session. The codes work once, so a half
  // that succeeded is kept while the other is tried again.
  private async redeem(codes: Codes): Promise<Session | undefined> {
    let credential: string | undefined;
    let enrolment: Enrolment | undefined;
    const pair = await generate();
    for (let tries = 0; !this.stopped.signal.aborted; tries++) {
      try {
        if (!this.config.kms) await this.learn();
        if (!this.config.kms) throw new Trouble("cloud", "away");
        credential ??= await Cloud.redeem(this.o.base, codes.cloud, this.o.fetch);
        enrolment ??= await enrol(this.config.kms, codes.kms, pair, this.o.fetch);
        if (this.config.authority && enrolment.authority !== this.config.authority) throw new Trouble("kms", "broken");
        return { kms: this.config.kms, ...enrolment, credential };
      } catch (e) {
        const trouble = asTrouble(e);
        this.state.set({ trouble });
        if (trouble.kind !== "away" && trouble.kind !== "busy") {
          this.state.set({ phase: "signed-out" });
          return undefined;
        }
        await this.pause(tries);
      }
    }
    return undefined;
  }

  // follow keeps the list up to date until the person signs out.
  private async follow(): Promise<void> {
    const session = (this.followed = this.session!);
    const cloud = new Cloud(this.o.base, session.credential, this.o.fetch);
    const kms = new KMS(session.kms, session.authority, session, this.o.fetch, this.o.clock.now);
    const follower = new Follower(cloud, kms, this.keep, this.shelf, this.o.clock.now);
    const mine = () => this.session === session && !this.stopped.signal.aborted;
    for (let tries = 0; mine(); tries++) {
      const before = this.state.get().synced;
      const trouble = await this.listen(cloud, follower).catch(asTrouble);
      if (!mine()) return;
      this.publish({ link: "offline", trouble });
      if (this.state.get().synced > before) tries = 0;
      await this.pause(tries);
      if (mine()) this.state.set({ link: "connecting" });
    }
  }

  // listen opens the stream first and catches up then, so that no change falls
  // between the two. It returns when the stream has ended, with the reason if
  // it was not the network's.
  private async listen(cloud: Cloud, follower: Follower): Promise<Trouble | undefined> {
    const stream = (this.stream = new AbortController());
    const body = await cloud.events(follower.lastID, stream.signal);
    let trouble: Trouble | undefined;
    let alive = this.o.clock.now();
    let saved = 0;
    const current = () => {
      const { link, synced } = this.state.get();
      if (link !== "live" || alive - saved < saveEvery) return;
      saved = alive;
      if (alive > synced) this.state.set({ synced: alive });
      void this.keep.put("synced", alive);
    };
    const catchUp = async (all: boolean) => {
      if (trouble || stream.signal.aborted) return;
      try {
        if (!(await follower.catchUp(all))) return;
        this.publish({ link: "live", listed: true, served: follower.served, synced: this.o.clock.now(), trouble: follower.trouble });
        current();
      } catch (e) {
        trouble = asTrouble(e);
        stream.abort();
      }
    };
    let work = catchUp(true);
    const stopWatch = this.o.clock.listen((now) => {
      if (now - alive > silence) stream.abort();
      else if (follower.waits(now)) work = work.then(() => catchUp(true));
    });
    try {
      await read(
        body,
        () => {
          alive = this.o.clock.now();
          current();
        },
        (ev) => {
          follower.note(ev);
          work = work.then(() => catchUp(false));
        },
      );
    } catch {
      // cut off: the next try tells whether the network or the cloud is away
    } finally {
      stopWatch();
      await work;
    }
    return trouble;
  }

  private publish(change: Partial<State>): void {
    this.state.set({ meetings: this.shelf.list(), unopened: this.shelf.unopened(), newer: this.shelf.newer(), ...change });
  }

  // pause waits before the next try, longer each time and never in step with
  // others; nudge ends it.
  private pause(tries: number): Promise<void> {
    const ms = Math.min(30_000, 500 * 2 ** Math.min(tries, 6)) * (0.5 + (this.o.random ?? Math.random)());
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
