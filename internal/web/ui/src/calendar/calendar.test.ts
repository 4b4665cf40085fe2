import { describe, expect, test } from "vitest";
import { agenda, gap, hour, joinable, midnight, minute, moment, next, type Day } from "./agenda";
import { Newer, parseDetails, parseHead, webAddress } from "./meeting";
import { due, tidy, type Marks } from "./reminder";
import { meeting } from "./sample";

const noon = new Date(2026, 10, 24, 12).getTime();
const at = (h: number, m = 0, day = 0) => new Date(2026, 10, 24 + day, h, m).getTime();
const ids = (d: Day) => d.rows.map((r) => (r.kind === "now" ? "|" : r.meeting.id + (r.continued ? "…" : "")));

describe("list", () => {
  test("days in order, today always, the now-line behind everything that has begun", () => {
    const days = agenda(
      [meeting("d", at(9, 0, 3), 30), meeting("c", at(13), 30), meeting("a", at(8), 30), meeting("b", at(11, 45), 30), meeting("z", at(12, 0, 40), 30)],
      noon,
      28,
    );
    expect(days.map((d) => d.start)).toEqual([midnight(noon), midnight(noon, 3)]);
    expect(ids(days[0]!)).toEqual(["a", "b", "|", "c"]);
    expect(ids(days[1]!)).toEqual(["d"]);
  });

  test("nothing at all still shows today", () => {
    const days = agenda([], noon, 28);
    expect(days).toHaveLength(1);
    expect(ids(days[0]!)).toEqual(["|"]);
  });

  test("a meeting over midnight stands on both days and says so", () => {
    const days = agenda([meeting("n", at(23), 120)], noon, 28);
    expect(days.map(ids)).toEqual([["|", "n"], ["n…"]]);
    expect(agenda([meeting("n", at(23), 60)], noon, 28).map(ids)).toEqual([["|", "n"]]);
  });

  test("a meeting without length has its place", () => {
    expect(ids(agenda([meeting("p", midnight(noon), 0)], noon, 1)[0]!)).toEqual(["p", "|"]);
  });

  test("declined ones are gone", () => {
    expect(ids(agenda([meeting("x", at(13), 30, { answer: "declined" })], noon, 1)[0]!)).toEqual(["|"]);
  });

  // An all-day meeting was entered somewhere else: midnight there, not here.
  test.each([-11, -5, 0, 5, 11])("an all-day meeting entered %i hours away is on its one date", (hours) => {
    const m = meeting("w", midnight(noon, 2) + hours * hour, 24 * 60, { allDay: true });
    const days = agenda([m], noon, 28).filter((d) => d.allDay.length > 0);
    expect(days.map((d) => d.start)).toEqual([midnight(noon, 2)]);
  });

  test("an all-day meeting of three days is on three", () => {
    const m = meeting("w", midnight(noon, 1), 3 * 24 * 60, { allDay: true });
    expect(agenda([m], noon, 28).filter((d) => d.allDay.length > 0).map((d) => d.start)).toEqual([1, 2, 3].map((n) => midnight(noon, n)));
  });

  test("free time is worth a word from half an hour on", () => {
    const row = (id: string, start: number) => ({ kind: "meeting" as const, meeting: meeting(id, start, 30), continued: false });
    expect(gap(row("a", at(9)), row("b", at(10)))).toBe(30 * minute);
    expect(gap(row("a", at(9)), row("b", at(9, 45)))).toBe(0);
    expect(gap({ kind: "now" }, row("b", at(10)))).toBe(0);
  });
});

describe("the one button", () => {
  const m = meeting("m", at(12, 10), 30);

  test.each([
    ["before the lead", at(12, 5) - 1, false, "later"],
    ["five minutes before", at(12, 5), true, "soon"],
    ["at the start", at(12, 10), true, "running"],
    ["just before the end", at(12, 40) - 1, true, "running"],
    ["at the end", at(12, 40), false, "past"],
  ] as const)("%s", (_, now, shown, state) => {
    expect(joinable(m, now)).toBe(shown);
    expect(moment(m, now)).toBe(state);
  });

  test("the organisation's own lead and lag count", () => {
    const x = { ...m, lead: 10 * minute, lag: 5 * minute };
    expect([joinable(x, at(12)), joinable(x, at(12, 44)), joinable(x, at(12, 45))]).toEqual([true, true, false]);
  });

  test.each([
    ["no way to join", { join: [] }],
    ["cancelled", { status: "cancelled" as const }],
    ["declined", { answer: "declined" as const }],
    ["all day", { allDay: true }],
  ])("never for a meeting that is %s", (_, change) => {
    expect(joinable({ ...m, ...change }, at(12, 10))).toBe(false);
  });

  test("what is about to start comes before what is running", () => {
    const running = meeting("r", at(11, 30), 60);
    expect(next([m, running], at(12, 0))?.id).toBe("r");
    expect(next([m, running], at(12, 5))?.id).toBe("m");
    expect(next([m, running], at(12, 35))?.id).toBe("m");
    expect(next([m, running], at(13))).toBeUndefined();
    expect(next([meeting("t", at(9, 0, 1), 30)], noon)?.id).toBe("t");
  });
});

describe("pop-up", () => {
  const m = meeting("m", at(12, 10), 30);
  const shown = (marks: Marks, now: number, list = [m]) => due(list, marks, now).map((x) => x.id);

  test("comes five minutes before and stays once it has come", () => {
    expect(shown({}, at(12, 5) - 1)).toEqual([]);
    expect(shown({}, at(12, 5))).toEqual(["m"]);
    const come: Marks = { m: { start: m.start, until: at(12, 5) } };
    expect(shown(come, at(12, 39))).toEqual(["m"]);
    expect(shown(come, at(12, 40))).toEqual([]);
  });

  test("does not come for a meeting that has long begun", () => {
    expect(shown({}, at(12, 19))).toEqual(["m"]);
    expect(shown({}, at(12, 20))).toEqual([]);
  });

  test("snoozed it comes back, dismissed it does not", () => {
    expect(shown({ m: { start: m.start, until: at(12, 8) } }, at(12, 8) - 1)).toEqual([]);
    expect(shown({ m: { start: m.start, until: at(12, 8) } }, at(12, 8))).toEqual(["m"]);
    expect(shown({ m: { start: m.start, until: Infinity } }, at(12, 30))).toEqual([]);
  });

  test("a moved meeting comes again", () => {
    expect(shown({ m: { start: m.start, until: Infinity } }, at(13, 56), [{ ...m, start: at(14), end: at(14, 30) }])).toEqual(["m"]);
  });

  test("old marks are dropped", () => {
    expect(Object.keys(tidy({ old: { start: at(0, 0, -3), until: Infinity }, new: { start: noon, until: Infinity } }, noon))).toEqual(["new"]);
  });
});

describe("reading", () => {
  const raw = (v: unknown) => new TextEncoder().encode(JSON.stringify(v) + "   ");
  const base = { v: 1, start: "2026-11-24T10:00:00Z", end: "2026-11-24T10:30:00Z" };

  test("a head as Go writes it", () => {
    const h = parseHead(
      raw({
        ...base,
        uid: "u",
        subject: "月例会議",
        organizer: { name: "Hanako", mail: "hanako@example.com" },
        join: [{ kind: "zoom", url: "https://example.zoom.us/j/1", dialin: [{ number: "+81 3", pin: "1" }] }],
        resp: "tentative",
        sens: "private",
        obtp: { lead: 600, lag: 60 },
      }),
    );
    expect(h).toMatchObject({ subject: "月例会議", answer: "tentative", sensitivity: "private", lead: 600_000, lag: 60_000, status: "confirmed", allDay: false });
    expect(h.start).toBe(Date.UTC(2026, 10, 24, 10));
    expect(h.join[0]).toMatchObject({ kind: "zoom", url: "https://example.zoom.us/j/1", dialin: [{ number: "+81 3", pin: "1" }] });
  });

  test("without a word on it, Join comes five minutes before", () => {
    expect(parseHead(raw(base)).lead).toBe(300_000);
    expect(parseHead(raw({ ...base, obtp: { lead: 0, lag: 1 } })).lead).toBe(0);
    expect(parseHead(raw({ ...base, obtp: { lead: 1e9 } })).lead).toBe(180 * minute);
  });

  test("wrong types become nothing, not trouble", () => {
    const h = parseHead(raw({ ...base, subject: 7, organizer: "x", join: [null, 3, { url: 9 }, { sip: "a@b" }], resp: "maybe", location: {} }));
    expect(h).toMatchObject({ subject: "", organizer: { name: "", mail: "" }, answer: "", location: "" });
    expect(h.join.map((j) => j.sip)).toEqual(["a@b"]);
  });

  test.each([
    ["no time", { v: 1 }],
    ["a wrong time", { ...base, start: "tomorrow" }],
    ["an end before the start", { ...base, end: "2026-11-24T09:00:00Z" }],
    ["no version", { ...base, v: undefined }],
  ])("refuses %s", (_, v) => {
    expect(() => parseHead(raw(v))).toThrow();
  });

  test("a newer form asks for a newer app", () => {
    expect(() => parseHead(raw({ ...base, v: 2 }))).toThrow(Newer);
  });

  test("details", () => {
    const d = parseDetails(raw({ v: 1, notes: "a", attendees: [{ name: "K", mail: "k@example.com", role: "optional", resp: "accepted" }, 5] }));
    expect(d.notes).toBe("a");
    expect(d.attendees[0]).toEqual({ name: "K", mail: "k@example.com", role: "optional", answer: "accepted" });
    expect(d.attendees[1]).toEqual({ name: "", mail: "", role: "required", answer: "" });
  });

  test.each([
    ["https://meet.example.com/a", "https://meet.example.com/a"],
    ["http://meet.example.com/a", ""],
    ["javascript:alert(1)", ""],
    ["data:text/html,x", ""],
    ["https://zoom.us@evil.example/", ""],
    ["//meet.example.com", ""],
    ["https://", ""],
    [7, ""],
  ])("%j opens as %j", (v, want) => {
    expect(webAddress(v)).toBe(want);
  });
});
