import { describe, expect, test } from "vitest";
import { API, Failure, type CalendarEvent } from "./api";
import { columns } from "./day";
import { advance, arrived } from "./page";
import type { Progress } from "./steps";
import { split, textOf } from "./text";
import { dayOf, fieldOf, shift, soon, startOf } from "./time";

const event = (id: string, start: string, end: string, change: Partial<CalendarEvent> = {}): CalendarEvent => ({
  id,
  changeKey: "",
  uid: "uid-" + id,
  subject: id,
  start: `2026-11-24T${start}:00Z`,
  end: `2026-11-24T${end}:00Z`,
  allDay: false,
  location: "",
  body: "",
  bodyType: "text",
  organizer: { name: "", address: "" },
  attendees: [],
  joined: false,
  joinUrl: "",
  mine: true,
  ...change,
});

test("events that overlap stand side by side, others take the whole width", () => {
  const placed = columns([event("a", "09:00", "11:00"), event("b", "09:30", "10:00"), event("c", "10:00", "10:30"), event("d", "11:00", "12:00")]);
  expect(placed.map((p) => [p.event.id, p.column, p.of])).toEqual([
    ["a", 0, 2],
    ["b", 1, 2],
    ["c", 1, 2],
    ["d", 0, 1],
  ]);
});

describe("bodies", () => {
  test("HTML becomes readable text", () => {
    const html = "<html><head><style>p{}</style></head><body><p>One &amp; two</p><div>three<br>four&nbsp;&#x1f600;</div><!-- x --><script>alert(1)</script></body></html>";
    expect(textOf(html, "html")).toBe("One & two\nthree\nfour \u{1f600}");
    expect(textOf("&#0;&#xffffffff;&unknown;", "html")).toBe("\ufffd\ufffd&unknown;");
    expect(textOf(" a\r\nb ", "text")).toBe("a\nb");
  });

  test("the join block is told from what people wrote", () => {
    const text = "Hello\n\nJoin the online meeting\nhttps://meet.example.com/a\nJoin details added by Koyomi";
    expect(split(text, "https://meet.example.com/a")).toEqual({
      own: "Hello",
      added: "Join the online meeting\nhttps://meet.example.com/a\nJoin details added by Koyomi",
    });
    expect(split(text, "")).toEqual({ own: text, added: "" });
    expect(split("https://meet.example.com/a", "https://meet.example.com/a").own).toBe("");
  });
});

describe("steps", () => {
  const begun: Progress = { id: "a", uid: "uid-a", since: performance.now(), cursor: 5, keyword: true, saved: 10 };
  const cloud = (cursor: number) => ({ cursor, items: 1, last: { jwe: "x", bytes: 1, at: "" } });

  test("are lit by what is seen, in order", () => {
    const listed = advance(begun, [event("a", "09:00", "10:00")], cloud(6)); // listed, still without its link
    expect(listed).toMatchObject({ cursor: 6 });
    expect([listed.written, listed.sealed]).toEqual([undefined, undefined]);
    const written = advance(listed, [event("a", "09:00", "10:00", { joined: true, joinUrl: "https://x" })], cloud(6));
    expect(written.written).toBeGreaterThan(0);
    expect(written.sealed).toBeUndefined();
    const sealed = advance(written, [], cloud(7));
    expect(sealed.sealed).toBeGreaterThan(0);
    expect(sealed.written).toBe(written.written);
    expect(arrived(sealed, 99)).toMatchObject({ written: written.written, sealed: sealed.sealed, opened: 99 });
  });

  test("a pasted invitation needs a link found, not a block", () => {
    const p = advance({ ...begun, keyword: false }, [event("a", "09:00", "10:00", { joinUrl: "https://x" })], cloud(5));
    expect(p.written).toBeGreaterThan(0);
  });

  test("what the app opened is done, seen or not", () => {
    expect(arrived(begun, 40)).toMatchObject({ written: 40, sealed: 40, opened: 40 });
    expect(arrived(arrived(begun, 40), 90).opened).toBe(40);
  });
});

test("days and fields", () => {
  const t = new Date(2026, 9, 31, 23, 59).getTime();
  expect(dayOf(t)).toBe("2026-10-31");
  expect(shift("2026-10-31", 1)).toBe("2026-11-01");
  expect(startOf("2026-11-01")).toBe(new Date(2026, 10, 1).getTime());
  expect(fieldOf(t)).toBe("2026-10-31T23:59");
  const now = new Date(2026, 10, 24, 10, 3).getTime();
  expect(fieldOf(soon(now))).toBe("2026-11-24T10:05");
  expect(soon(now + 2 * 60_000)).toBe(now + 2 * 60_000);
});

test("the server's sentence reaches the person", async () => {
  const api = new API(async () => Response.json({ error: { code: "x", message: "it is full" } }, { status: 502 }));
  await expect(api.cloud()).rejects.toEqual(new Failure("it is full"));
  const away = new API(() => Promise.reject(new TypeError("failed")));
  await expect(away.state()).rejects.toBeInstanceOf(Failure);
});
