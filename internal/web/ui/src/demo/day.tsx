// One day of the calendar, hours from top to bottom.

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../app/icons";
import type { Words } from "../words/words";
import type { CalendarEvent } from "./api";
import { dayOf, shift, startOf } from "./time";
import type { Say } from "./words";

interface Props {
  say: Say;
  words: Words;
  day: string;
  go: (day: string) => void;
  events: CalendarEvent[];
  selected: string | undefined;
  select: (id: string) => void;
}

const hourHeight = 56;
const minuteMs = 60_000;

export function Day({ say, words, day, go, events, selected, select }: Props) {
  const start = startOf(day);
  const end = startOf(shift(day, 1));
  const box = useRef<HTMLDivElement>(null);
  const today = day === dayOf(Date.now());
  const shown = events.filter((e) => Date.parse(e.start) < end && Date.parse(e.end) > start).sort((a, b) => Date.parse(a.start) - Date.parse(b.start));
  const timed = shown.filter((e) => !e.allDay);
  const focus = timed.find((e) => e.id === selected);
  const at = focus ? Date.parse(focus.start) : today ? Date.now() : start + 8.5 * 60 * minuteMs;
  useEffect(() => {
    box.current?.scrollTo({ top: Math.max(0, ((at - start) / minuteMs / 60) * hourHeight - 120), behavior: "instant" });
  }, [day, focus?.id, focus?.start]);
  return (
    <div class="day">
      <div class="day-bar">
        <button type="button" class="quiet round back" aria-label={say("previous")} onClick={() => go(shift(day, -1))}>
          <Icon name="chevron" />
        </button>
        <h3>{words.fullDate(start)}</h3>
        <button type="button" class="quiet round" aria-label={say("next")} onClick={() => go(shift(day, 1))}>
          <Icon name="chevron" />
        </button>
        {!today && (
          <button type="button" class="soft" onClick={() => go(dayOf(Date.now()))}>
            {say("today")}
          </button>
        )}
      </div>
      {shown.some((e) => e.allDay) && (
        <ul class="whole-days">
          {shown
            .filter((e) => e.allDay)
            .map((e) => (
              <li key={e.id}>
                <button type="button" onClick={() => select(e.id)}>
                  {e.subject}
                </button>
              </li>
            ))}
        </ul>
      )}
      <div class="grid" ref={box} tabIndex={0} role="group" aria-label={day}>
        <div class="hours" aria-hidden="true">
          {Array.from({ length: 24 }, (_, h) => (
            <span key={h}>{words.time(new Date(2026, 0, 1, h).getTime())}</span>
          ))}
        </div>
        <div class="slots">
          {columns(timed).map(({ event, column, of }) => (
            <Block key={event.id} event={event} words={words} from={start} column={column} of={of} selected={event.id === selected} select={select} />
          ))}
          {today && <Now from={start} />}
        </div>
      </div>
    </div>
  );
}

interface BlockProps {
  event: CalendarEvent;
  words: Words;
  from: number;
  column: number;
  of: number;
  selected: boolean;
  select: (id: string) => void;
}

function Block({ event: e, words, from, column, of, selected, select }: BlockProps) {
  const start = Date.parse(e.start);
  const minutes = Math.max(20, (Date.parse(e.end) - start) / minuteMs);
  const time = words.time(start);
  return (
    <button
      type="button"
      class={`block${e.joined ? " joined" : ""}${selected ? " selected" : ""}${minutes < 40 ? " short" : ""}`}
      aria-pressed={selected}
      ref={place({ "--top": (start - from) / minuteMs / 60, "--hours": minutes / 60, "--column": column, "--of": of })}
      onClick={() => select(e.id)}
    >
      <strong>{e.subject}</strong>
      <span>
        {time}
        {e.location ? " · " + e.location : ""}
      </span>
    </button>
  );
}

function Now({ from }: { from: number }) {
  return <div class="now" ref={place({ "--top": (Date.now() - from) / minuteMs / 60 })} aria-hidden="true" />;
}

// place hands numbers to the style sheet through the object model, which the
// page's policy allows; a style attribute it would not.
function place(values: Record<string, number>): (el: HTMLElement | null) => void {
  return (el) => {
    for (const [name, v] of Object.entries(values)) el?.style.setProperty(name, String(v));
  };
}

interface Placed {
  event: CalendarEvent;
  column: number;
  of: number;
}

// columns lays overlapping events side by side: within a run of events that
// touch, each takes the first column that is free at its start.
export function columns(sorted: CalendarEvent[]): Placed[] {
  const out: Placed[] = [];
  let run: Placed[] = [];
  let ends: number[] = []; // of each column of the run
  const finish = () => {
    for (const p of run) p.of = ends.length;
    out.push(...run);
    run = [];
    ends = [];
  };
  for (const event of sorted) {
    const start = Date.parse(event.start);
    if (run.length && start >= Math.max(...ends)) finish();
    let column = ends.findIndex((e) => e <= start);
    if (column < 0) column = ends.length;
    ends[column] = Date.parse(event.end);
    run.push({ event, column, of: 1 });
  }
  finish();
  return out;
}
