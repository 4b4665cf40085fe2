// What the list shows: pure functions of the meetings and the time.

import type { Meeting } from "./meeting";

export const minute = 60_000;
export const hour = 60 * minute;

// Day is one day of the list. Days are counted on the device's own calendar,
// so a day may have 23 or 25 hours.
export interface Day {
  start: number; // local midnight
  allDay: Meeting[];
  rows: Row[];
}

export type Row =
  | { kind: "meeting"; meeting: Meeting; continued: boolean } // continued: began on an earlier day
  | { kind: "now" };

// State of a meeting against the clock.
export type Moment = "past" | "running" | "soon" | "later";

export function midnight(t: number, days = 0): number {
  const d = new Date(t);
  return new Date(d.getFullYear(), d.getMonth(), d.getDate() + days).getTime();
}

// visible drops what has left the person's list.
export function visible(m: Meeting): boolean {
  return m.answer !== "declined";
}

// agenda groups the meetings of `days` days from today on. Today is always
// there, other days only with something in them.
export function agenda(meetings: Meeting[], now: number, days: number): Day[] {
  const sorted = meetings.filter(visible).sort(byTime);
  const out: Day[] = [];
  for (let n = 0; n < days; n++) {
    const start = midnight(now, n);
    const end = midnight(now, n + 1);
    const here = sorted.filter((m) => covers(m, start, end));
    if (n > 0 && here.length === 0) continue;
    const day: Day = { start, allDay: here.filter((m) => m.allDay), rows: [] };
    for (const m of here) {
      if (!m.allDay) day.rows.push({ kind: "meeting", meeting: m, continued: m.start < start });
    }
    if (n === 0) insertNow(day.rows, now);
    out.push(day);
  }
  return out;
}

// insertNow puts the now-line behind everything that has begun.
function insertNow(rows: Row[], now: number): void {
  const at = rows.findIndex((r) => r.kind === "meeting" && r.meeting.start > now);
  rows.splice(at < 0 ? rows.length : at, 0, { kind: "now" });
}

function byTime(a: Meeting, b: Meeting): number {
  return a.start - b.start || a.end - b.end || (a.id < b.id ? -1 : 1);
}

// covers reports whether a meeting belongs to the day [start, end). An all-day
// meeting is a date, not an instant: it was entered in the time zone of its
// mailbox, which may not be the device's. Twelve hours inside its bounds the
// date is the same for every reader less than twelve hours away.
export function covers(m: Meeting, start: number, end: number): boolean {
  if (m.allDay) return m.start + 12 * hour < end && Math.max(m.end - 12 * hour, m.start + 12 * hour) >= start;
  return m.start < end && (m.end > start || m.start >= start);
}

export function moment(m: Meeting, now: number): Moment {
  if (now >= m.end) return "past";
  if (now >= m.start) return "running";
  return now >= m.start - m.lead ? "soon" : "later";
}

// joinable says whether the one button is shown: from the lead before the
// start until the end (and the lag after it, where the organisation set one).
export function joinable(m: Meeting, now: number): boolean {
  return hasJoin(m) && !m.allDay && m.status !== "cancelled" && visible(m) && now >= m.start - m.lead && now < m.end + m.lag;
}

export function hasJoin(m: Meeting): boolean {
  return m.join.length > 0;
}

// next is the meeting that matters now: one about to start, else the one
// running that started last, else the one to come.
export function next(meetings: Meeting[], now: number): Meeting | undefined {
  const open = meetings
    .filter((m) => visible(m) && !m.allDay && m.status !== "cancelled" && now < m.end)
    .sort(byTime);
  const coming = open.find((m) => m.start > now);
  if (coming && now >= coming.start - coming.lead) return coming;
  return open.findLast((m) => m.start <= now) ?? coming;
}

// free is the length of the gap between two rows if it is worth a word.
export function gap(before: Row | undefined, after: Row | undefined): number {
  if (before?.kind !== "meeting" || after?.kind !== "meeting") return 0;
  const g = after.meeting.start - before.meeting.end;
  return g >= 30 * minute ? g : 0;
}
