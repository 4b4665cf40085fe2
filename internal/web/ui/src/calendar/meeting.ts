// The meeting as the connector sealed it: versioned JSON of Go's package
// calendar (Head and Details). What comes out of an envelope is authentic, yet
// most of it was typed by strangers: every field is checked for its type, and
// an address is kept only if it may be opened.

export interface Person {
  name: string;
  mail: string;
}

export interface Dialin {
  number: string;
  pin: string;
}

export interface JoinMethod {
  kind: string; // provider name, or "sip", "h323", "phone"
  url: string; // https only, else ""
  sip: string;
  h323: string;
  id: string;
  passcode: string;
  dialin: Dialin[];
}

export type Answer = "" | "organizer" | "tentative" | "accepted" | "declined";

export interface Head {
  uid: string;
  start: number; // Unix milliseconds
  end: number;
  timeZone: string;
  allDay: boolean;
  subject: string;
  location: string;
  organizer: Person;
  join: JoinMethod[]; // best first
  status: "confirmed" | "tentative" | "cancelled";
  answer: Answer;
  sensitivity: "normal" | "personal" | "private" | "confidential";
  series: boolean;
  lead: number; // milliseconds before the start at which Join appears
  lag: number; // milliseconds after the end until which it stays
  notice: string;
  waiting: Waiting | null; // with the notices "service-unavailable" and "service-quota"
}

// Waiting says for which meeting service an invitation waits.
export interface Waiting {
  service: string;
  since: number; // Unix milliseconds
  retry: number; // 0: not known
}

export interface Attendee extends Person {
  role: "required" | "optional" | "resource";
  answer: Answer;
}

export interface Details {
  notes: string;
  attendees: Attendee[];
}

// Meeting is one entry of the list: a head and where it lies.
export interface Meeting extends Head {
  id: string; // resource and item, unique on this device
  resource: string;
  item: string;
  rev: number;
}

const version = 1;

// Newer is thrown for a form that this version of the app cannot read.
export class Newer extends Error {}

export function parseHead(raw: Uint8Array): Head {
  const v = read(raw);
  const start = instant(v.start);
  const end = instant(v.end);
  if (end < start) throw new Error("meeting ends before it starts");
  const obtp = v.obtp === undefined ? { lead: 300 } : record(v.obtp);
  return {
    uid: text(v.uid),
    start,
    end,
    timeZone: text(v.tz),
    allDay: v.allDay === true,
    subject: text(v.subject),
    location: text(v.location),
    organizer: person(v.organizer),
    join: list(v.join, 20).map(method).filter(usable),
    status: oneOf(v.status, ["confirmed", "tentative", "cancelled"]),
    answer: answer(v.resp),
    sensitivity: oneOf(v.sens, ["normal", "personal", "private", "confidential"]),
    series: v.series === true,
    lead: seconds(obtp.lead),
    lag: seconds(obtp.lag),
    notice: text(v.notice),
    waiting: v.waiting === undefined ? null : waiting(record(v.waiting)),
  };
}

function waiting(v: Record<string, unknown>): Waiting {
  return { service: text(v.service), since: instant(v.since), retry: v.retry === undefined ? 0 : instant(v.retry) };
}

export function parseDetails(raw: Uint8Array): Details {
  const v = read(raw);
  return {
    notes: text(v.notes),
    attendees: list(v.attendees, 5000).map((a) => {
      const r = record(a);
      return { ...person(r), role: oneOf(r.role, ["required", "optional", "resource"]), answer: answer(r.resp) };
    }),
  };
}

// webAddress returns an address that may be opened, or "": https, and no
// credentials in it that would dress up a foreign host.
export function webAddress(v: unknown): string {
  if (typeof v !== "string") return "";
  try {
    const u = new URL(v);
    return u.protocol === "https:" && u.username === "" && u.password === "" ? u.href : "";
  } catch {
    return "";
  }
}

function method(v: unknown): JoinMethod {
  const r = record(v);
  return {
    kind: text(r.kind) || "other",
    url: webAddress(r.url),
    sip: text(r.sip),
    h323: text(r.h323),
    id: text(r.id),
    passcode: text(r.passcode),
    dialin: list(r.dialin, 50).map((d) => ({ number: text(record(d).number), pin: text(record(d).pin) })),
  };
}

function usable(m: JoinMethod): boolean {
  return m.url !== "" || m.sip !== "" || m.h323 !== "" || m.dialin.length > 0;
}

function read(raw: Uint8Array): Record<string, unknown> {
  const v = record(JSON.parse(new TextDecoder("utf-8").decode(raw)));
  if (typeof v.v !== "number") throw new Error("meeting names no version");
  if (v.v > version) throw new Newer("meeting was written by a newer version");
  return v;
}

function record(v: unknown): Record<string, unknown> {
  return typeof v === "object" && v !== null ? (v as Record<string, unknown>) : {};
}

function list(v: unknown, most: number): unknown[] {
  return Array.isArray(v) ? v.slice(0, most) : [];
}

function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

function person(v: unknown): Person {
  const r = record(v);
  return { name: text(r.name), mail: text(r.mail) };
}

function answer(v: unknown): Answer {
  return oneOf(v, ["", "organizer", "tentative", "accepted", "declined"]);
}

// oneOf returns v if it is one of the values, else the first.
function oneOf<T extends string>(v: unknown, values: readonly [T, ...T[]]): T {
  return values.find((x) => x === v) ?? values[0];
}

function seconds(v: unknown): number {
  return typeof v === "number" && v > 0 ? Math.min(v, 180 * 60) * 1000 : 0;
}

function instant(v: unknown): number {
  const t = typeof v === "string" ? Date.parse(v) : NaN;
  if (Number.isNaN(t)) throw new Error("meeting has no time");
  return t;
}
