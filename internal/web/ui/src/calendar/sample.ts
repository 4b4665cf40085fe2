// Meetings for tests.

import type { JoinMethod, Meeting } from "./meeting";

export const way: JoinMethod = { kind: "jitsi", url: "https://meet.example.com/a", sip: "", h323: "", id: "", passcode: "", dialin: [] };

export function meeting(id: string, start: number, minutes: number, change: Partial<Meeting> = {}): Meeting {
  return {
    id,
    resource: "r",
    item: id,
    rev: 1,
    uid: id,
    start,
    end: start + minutes * 60_000,
    timeZone: "",
    allDay: false,
    subject: "Subject " + id,
    location: "",
    organizer: { name: "", mail: "" },
    join: [way],
    status: "confirmed",
    answer: "accepted",
    sensitivity: "normal",
    series: false,
    lead: 300_000,
    lag: 0,
    notice: "",
    waiting: null,
    ...change,
  };
}
