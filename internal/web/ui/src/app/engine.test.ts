import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Keep } from "../keep/keep";
import { Clock } from "../time/clock";
import { Engine } from "./engine";
import { cloudBase, kmsBase, Servers } from "./servers";

let servers: Servers;
let now: number;
let engines: Engine[];

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
  servers = new Servers();
  now = Date.parse("2026-11-24T09:00:00Z");
  engines = [];
});

afterEach(() => engines.forEach((e) => e.stop()));

function start(codes?: { kms: string; cloud: string }) {
  const clock = new Clock(() => now);
  // random of minus a half takes the pauses between tries away
  const engine = new Engine({ base: cloudBase, fetch: servers.fetch, clock, random: () => -0.5 });
  engines.push(engine);
  void engine.run(codes);
  const subjects = () => engine.state.get().meetings.map((m) => m.subject).sort();
  return { engine, clock, subjects, state: () => engine.state.get() };
}

const soon = (f: () => void) => vi.waitFor(f, { timeout: 4000, interval: 5 });

async function signedIn() {
  const app = start({ kms: "k1", cloud: "c1" });
  await soon(() => expect(app.state().link).toBe("live"));
  return app;
}

test("a link's codes become a list, and each server sees its own code only", async () => {
  await servers.meeting("月例会議");
  await servers.meeting("Review");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["Review", "月例会議"]));
  expect(app.state()).toMatchObject({ phase: "ready", listed: true, served: true, unopened: 0, synced: now });
  for (const s of servers.seen) {
    const foreign = s.url.startsWith(kmsBase) ? ["c1", servers.credential] : ["k1", "KMS-JWS"];
    for (const secret of foreign) expect(JSON.stringify(s)).not.toContain(`"${secret}`);
    expect(s.url).not.toMatch(/k1|c1/);
  }
});

test("nothing a person wrote lies in this browser in clear, and no key can be taken out", async () => {
  await servers.meeting("Secret subject", { notes: "secret notes" });
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["Secret subject"]));
  const keep = await Keep.open();
  const session = (await keep.get("session"))!;
  const keys = await keep.keys();
  const parts = [...(await keep.parts("h")), ...(await keep.parts("b"))];
  keep.close();
  expect(parts).toHaveLength(2);
  expect(JSON.stringify(parts)).not.toMatch(/secret|2026-11/i);
  expect(keys).toHaveLength(2);
  for (const k of [session.key, ...keys.map((k) => k.key)]) expect(k.extractable).toBe(false);
});

test("what changes at the cloud changes here, without asking", async () => {
  const app = await signedIn();
  expect(app.state().meetings).toEqual([]);
  const item = await servers.meeting("First");
  await soon(() => expect(app.subjects()).toEqual(["First"]));
  await servers.meeting("Second", { item, rev: 2 });
  await soon(() => expect(app.subjects()).toEqual(["Second"]));
  servers.put({ item, rev: 3, deleted: true });
  await soon(() => expect(app.subjects()).toEqual([]));
});

test("details are opened when asked for", async () => {
  await servers.meeting("M", { notes: "1. Numbers" });
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["M"]));
  expect((await app.engine.details(app.state().meetings[0]!))?.notes).toBe("1. Numbers");
});

test("without a network the list of last time is there, with its time", async () => {
  await servers.meeting("Kept");
  const first = await signedIn();
  await soon(() => expect(first.subjects()).toEqual(["Kept"]));
  first.engine.stop();
  const synced = now;
  now += 3_600_000;
  servers.cloud = "down";
  servers.kms = "down";
  const app = start();
  await soon(() => expect(app.state().link).toBe("offline"));
  expect(app.subjects()).toEqual(["Kept"]);
  expect(app.state()).toMatchObject({ phase: "ready", synced, trouble: { server: "cloud", kind: "away" } });
  expect((await app.engine.details(app.state().meetings[0]!))?.notes).toBe("Agenda of Kept");
  servers.cloud = "up";
  await soon(() => expect(app.state()).toMatchObject({ link: "live", synced: now, trouble: undefined }));
});

test("a stream that was cut comes back and catches up", async () => {
  const app = await signedIn();
  servers.cloud = "down";
  servers.cut();
  await soon(() => expect(app.state().link).toBe("offline"));
  await servers.meeting("Meanwhile");
  servers.cloud = "up";
  await soon(() => expect(app.subjects()).toEqual(["Meanwhile"]));
  const resumed = servers.seen.filter((s) => s.url.endsWith("/v1/events")).length;
  expect(resumed).toBeGreaterThan(1);
});

test("a silent stream is given up", async () => {
  const app = await signedIn();
  const before = servers.seen.filter((s) => s.url.endsWith("/v1/events")).length;
  now += 60_000;
  app.clock.tick();
  await soon(() => expect(servers.seen.filter((s) => s.url.endsWith("/v1/events")).length).toBe(before + 1));
  await soon(() => expect(app.state().link).toBe("live"));
});

test("the cloud cannot put one meeting in another's place", async () => {
  const a = await servers.meeting("A");
  const b = await servers.meeting("B");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["A", "B"]));
  servers.put({ ...servers.entry(a, "h"), item: b, rev: 2 });
  await soon(() => expect(app.state().unopened).toBe(1));
  expect(app.subjects()).toEqual(["A"]);
});

test("the cloud cannot go back to an older revision", async () => {
  const item = await servers.meeting("Old");
  const old = servers.entry(item, "h");
  const app = await signedIn();
  await servers.meeting("New", { item, rev: 2 });
  await soon(() => expect(app.subjects()).toEqual(["New"]));
  servers.put(old); // with its own, older revision
  servers.put({ ...old, rev: 3 }); // and relabelled
  await soon(() => expect(app.state().unopened).toBe(1));
  expect(app.subjects()).not.toContain("Old");
});

test("an older revision alone changes nothing", async () => {
  const item = await servers.meeting("Old");
  const old = servers.entry(item, "h");
  const app = await signedIn();
  await servers.meeting("New", { item, rev: 2 });
  await soon(() => expect(app.subjects()).toEqual(["New"]));
  servers.put(old);
  await servers.meeting("Other");
  await soon(() => expect(app.subjects()).toEqual(["New", "Other"]));
});

test("the head's key does not open what is sealed as a body", async () => {
  const app = await signedIn();
  const item = await servers.meeting("Right");
  await soon(() => expect(app.subjects()).toEqual(["Right"]));
  const jwe = await servers.seal(servers.body, item, "h", 2, { v: 1, subject: "Wrong", start: "2026-11-24T10:00:00Z", end: "2026-11-24T11:00:00Z" });
  servers.put({ item, part: "h", rev: 2, jwe });
  await soon(() => expect(app.state().unopened).toBe(1));
  expect(app.subjects()).toEqual([]);
});

test("while the key server is away, what opens stays and the rest follows by itself", async () => {
  servers.kms = "up";
  await servers.meeting("Before");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["Before"]));
  servers.kms = "down";
  servers.head = servers.key("h"); // keys were rotated meanwhile
  await servers.meeting("After");
  await soon(() => expect(app.state()).toMatchObject({ trouble: { server: "kms", kind: "away" }, unopened: 1 }));
  expect(app.subjects()).toEqual(["Before"]);
  servers.kms = "up";
  now += 5000;
  app.clock.tick();
  await soon(() => expect(app.subjects()).toEqual(["After", "Before"]));
  expect(app.state().trouble).toBeUndefined();
});

test("retired keys are asked for by name", async () => {
  const old = servers.head;
  await servers.meeting("Sealed long ago");
  servers.retired = [old];
  servers.head = servers.key("h");
  await servers.meeting("Sealed today");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["Sealed long ago", "Sealed today"]));
});

test("the key server's time corrects a wrong clock", async () => {
  servers.kms = "clock";
  await servers.meeting("M");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["M"]));
});

test("a lost answer to the enrolment costs nothing", async () => {
  servers.loseEnrolAnswers = 2;
  const app = await signedIn();
  expect(app.state().phase).toBe("ready");
});

test.each([
  ["cloud", { kms: "k1", cloud: "used" }],
  ["kms", { kms: "used", cloud: "c1" }],
] as const)("a code that the %s refuses leads to the way in, with the reason", async (server, codes) => {
  const app = start(codes);
  await soon(() => expect(app.state()).toMatchObject({ phase: "signed-out", trouble: { server, kind: "code" } }));
});

test("no codes and no keys: the way in", async () => {
  const app = start();
  await soon(() => expect(app.state().phase).toBe("signed-out"));
  await app.engine.signIn({ kms: "k1", cloud: "c1" });
  await soon(() => expect(app.state().link).toBe("live"));
});

test("a used link does no harm to who is signed in", async () => {
  await servers.meeting("M");
  (await signedIn()).engine.stop();
  servers.codes = { kms: "other", cloud: "other" };
  const app = start({ kms: "k1", cloud: "c1" });
  await soon(() => expect(app.state().link).toBe("live"));
  expect(app.subjects()).toEqual(["M"]);
});

test("a browser that the cloud no longer knows says so and keeps its list", async () => {
  await servers.meeting("M");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["M"]));
  servers.cloud = "unknown";
  servers.cut();
  await soon(() => expect(app.state().trouble).toMatchObject({ server: "cloud", kind: "refused" }));
  expect(app.subjects()).toEqual(["M"]);
});

test("with a new link such a browser signs in again", async () => {
  (await signedIn()).engine.stop();
  const again = new Servers();
  servers = again;
  const app = start({ kms: "k1", cloud: "c1" }); // another installation at the same address
  await again.meeting("New");
  await soon(() => expect(app.subjects()).toEqual(["New"]));
});

test("a calendar that is delivered later appears", async () => {
  servers.resources = [];
  const app = start({ kms: "k1", cloud: "c1" });
  await soon(() => expect(app.state()).toMatchObject({ link: "live", served: false }));
  servers.resources = [servers.resource];
  servers.tell("delivery", { resource: servers.resource });
  await servers.meeting("M");
  await soon(() => expect(app.state().served).toBe(true));
  await soon(() => expect(app.subjects()).toEqual(["M"]));
});

test("a calendar that is no longer delivered leaves with everything kept of it", async () => {
  await servers.meeting("M");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["M"]));
  servers.resources = [];
  servers.tell("delivery", { resource: servers.resource });
  await soon(() => expect(app.state()).toMatchObject({ served: false, meetings: [] }));
  const keep = await Keep.open();
  expect(await keep.keys()).toEqual([]);
  expect(await keep.parts("h")).toEqual([]);
  keep.close();
});

test("a cloud that lost its place is read from the start", async () => {
  const gone = await servers.meeting("Gone");
  await servers.meeting("Stays");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["Gone", "Stays"]));
  servers.put({ item: gone, rev: 2, deleted: true });
  servers.reset = true;
  servers.cut();
  await soon(() => expect(app.subjects()).toEqual(["Stays"]));
  await soon(() => expect(app.state().trouble).toBeUndefined());
});

test("signing out leaves nothing", async () => {
  await servers.meeting("M");
  const app = await signedIn();
  await soon(() => expect(app.subjects()).toEqual(["M"]));
  await app.engine.signOut();
  expect(app.state()).toMatchObject({ phase: "signed-out", meetings: [] });
  const keep = await Keep.open();
  expect([await keep.get("session"), await keep.get("cursors"), await keep.keys(), await keep.parts("h")]).toEqual([undefined, undefined, [], []]);
  keep.close();
  await soon(() => expect(servers.listening()).toBe(false));
});

test("marks of pop-ups outlast the page", async () => {
  await servers.meeting("M");
  const first = await signedIn();
  await soon(() => expect(first.subjects()).toEqual(["M"]));
  const m = first.state().meetings[0]!;
  await first.engine.mark(m, Infinity);
  first.engine.stop();
  const app = start();
  await soon(() => expect(app.state().marks[m.id]).toEqual({ start: m.start, until: Infinity }));
});

test("a browser without storage is told", async () => {
  globalThis.indexedDB = { open: () => { throw new Error("denied"); } } as unknown as IDBFactory;
  const app = start({ kms: "k1", cloud: "c1" });
  await soon(() => expect(app.state().phase).toBe("unable"));
});
