// When the pop-up comes: a pure function of meetings, marks and time.

import { joinable, minute } from "./agenda";
import type { Meeting } from "./meeting";

// Mark is what a person did with the pop-up of one meeting.
export interface Mark {
  start: number; // of the meeting when it was marked: a moved meeting pops up again
  until: number; // quiet until then; Infinity: dismissed or joined
}

export type Marks = Record<string, Mark>;

// late is how long after its start a meeting may still pop up by itself: who
// opens the app in the middle of a meeting sees it in the list.
const late = 10 * minute;

// due lists the meetings whose pop-up is to be shown now, earliest first.
export function due(meetings: Meeting[], marks: Marks, now: number): Meeting[] {
  return meetings.filter((m) => joinable(m, now) && pops(m, marks[m.id], now)).sort((a, b) => a.start - b.start);
}

function pops(m: Meeting, mark: Mark | undefined, now: number): boolean {
  if (mark && mark.start === m.start) return now >= mark.until;
  return now < m.start + late;
}

// tidy drops marks of meetings that are over, so that the record stays small.
export function tidy(marks: Marks, now: number): Marks {
  return Object.fromEntries(Object.entries(marks).filter(([, m]) => m.start > now - 48 * 60 * minute));
}
