// The coming weeks at a glance; a day leads to its place in the list.

import { covers, midnight, visible } from "../calendar/agenda";
import type { Meeting } from "../calendar/meeting";
import { useEngine, useNow, useSurroundings } from "./context";
import { tint } from "./provider";

export function Weeks({ days, go }: { days: number; go: (day: number) => void }) {
  const { words } = useSurroundings();
  const { meetings } = useEngine();
  const now = useNow(60_000);
  const today = midnight(now);
  const back = (new Date(today).getDay() - words.firstDay() + 14) % 7;
  const first = midnight(today, -back);
  const rows = Math.ceil((back + days) / 7);
  const shown = meetings.filter(visible).sort((a, b) => a.start - b.start);
  const cells = Array.from({ length: rows * 7 }, (_, i) => midnight(first, i));
  return (
    <section class="weeks" aria-label={words.say("list.coming")}>
      <div class="weekdays" aria-hidden="true">
        {cells.slice(0, 7).map((t) => (
          <span key={t}>{words.weekday(t, "narrow")}</span>
        ))}
      </div>
      <div class="cells">
        {cells.map((t) => (
          <Cell key={t} day={t} today={today} last={midnight(today, days)} meetings={shown.filter((m) => covers(m, t, midnight(t, 1)))} go={go} />
        ))}
      </div>
    </section>
  );
}

function Cell({ day, today, last, meetings, go }: { day: number; today: number; last: number; meetings: Meeting[]; go: (day: number) => void }) {
  const { words } = useSurroundings();
  const date = new Date(day);
  const outside = day < today || day >= last;
  const weekend = date.getDay() === 0 ? " sunday" : date.getDay() === 6 ? " saturday" : "";
  const label = `${words.fullDate(day)}, ${meetings.length ? words.count("day.count", meetings.length) : words.say("day.none")}`;
  return (
    <button
      type="button"
      class={`cell${day === today ? " today" : ""}${weekend}`}
      disabled={outside || (meetings.length === 0 && day !== today)}
      aria-label={label}
      aria-current={day === today ? "date" : undefined}
      onClick={() => go(day)}
    >
      <span class="number">{date.getDate()}</span>
      <span class="dots">
        {!outside && meetings.slice(0, 3).map((m) => <i key={m.id} class={tint(m)} />)}
      </span>
    </button>
  );
}
