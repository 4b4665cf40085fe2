// The list: today and the coming days.

import { Fragment } from "preact";
import { agenda, gap, joinable, midnight, minute, moment, type Day, type Row } from "../calendar/agenda";
import type { Meeting } from "../calendar/meeting";
import { useEngine, useNow, useSurroundings } from "./context";
import { Icon } from "./icons";
import { JoinLink } from "./join";
import { Progress } from "./next";
import { place, primary, service, tint } from "./provider";

interface Props {
  days: number;
  selected: string | undefined;
  open: (m: Meeting) => void;
}

export function List({ days, selected, open }: Props) {
  const { words } = useSurroundings();
  const { meetings, listed, served } = useEngine();
  const now = useNow(minute / 4);
  if (!listed && meetings.length === 0) return <Loading />;
  if (!served) return <Blank title={words.say("list.waiting")} body={words.say("list.waitingBody")} waiting />;
  const shown = agenda(meetings, now, days);
  if (shown.length === 1 && shown[0]!.rows.length === 1 && shown[0]!.allDay.length === 0) {
    return <Blank title={words.say("list.empty")} body={words.say("list.emptyBody")} />;
  }
  return (
    <div class="list" onKeyDown={walk}>
      {shown.map((d) => (
        <DayView key={d.start} day={d} now={now} selected={selected} open={open} />
      ))}
    </div>
  );
}

export function dayID(t: number): string {
  return "day-" + new Date(t).toLocaleDateString("sv");
}

function DayView({ day, now, selected, open }: { day: Day; now: number } & Omit<Props, "days">) {
  const { words } = useSurroundings();
  const today = day.start === midnight(now);
  const name = today ? words.say("day.today") : day.start === midnight(now, 1) ? words.say("day.tomorrow") : words.weekday(day.start);
  const count = day.allDay.length + day.rows.filter((r) => r.kind === "meeting").length;
  return (
    <section class={today ? "day today" : "day"} id={dayID(day.start)} aria-label={words.fullDate(day.start)} tabIndex={-1}>
      <h2 class="day-head">
        <span class="day-name">{name}</span>
        <span class="day-date">{today || name === words.say("day.tomorrow") ? words.fullDate(day.start) : words.date(day.start)}</span>
        <span class="day-count">{count > 0 ? words.count("day.count", count) : ""}</span>
      </h2>
      {day.allDay.length > 0 && (
        <ul class="all-day">
          {day.allDay.map((m) => (
            <li key={m.id}>
              <button type="button" class={`open pill ${tint(m)}`} onClick={() => open(m)}>
                <small>{words.say("day.allDay")}</small> {m.subject || words.say("meeting.noSubject")}
              </button>
            </li>
          ))}
        </ul>
      )}
      <ol class="rows">
        {today && count === 0 && <li class="empty-day">{words.say("list.emptyDay")}</li>}
        {day.rows.map((r, i) => (
          <RowView key={r.kind === "now" ? "now" : r.meeting.id} rows={day.rows} at={i} row={r} now={now} today={today} selected={selected} open={open} />
        ))}
      </ol>
    </section>
  );
}

interface RowProps {
  rows: Row[];
  at: number;
  row: Row;
  now: number;
  today: boolean;
  selected: string | undefined;
  open: (m: Meeting) => void;
}

function RowView({ rows, at, row, now, today, selected, open }: RowProps) {
  const { words } = useSurroundings();
  if (row.kind === "now") {
    return (
      <li class="now-line" aria-label={words.say("list.now", { time: words.time(now) })}>
        <span aria-hidden="true">{words.time(now)}</span>
      </li>
    );
  }
  const before = rows[at - 1];
  const free = gap(before?.kind === "now" ? undefined : before, row);
  return (
    <Fragment>
      {today && free > 0 && row.meeting.start > now && <li class="gap">{words.say("day.free", { span: words.span(free) })}</li>}
      <MeetingRow meeting={row.meeting} continued={row.continued} now={now} selected={selected === row.meeting.id} open={open} />
    </Fragment>
  );
}

function MeetingRow({ meeting: m, continued, now, selected, open }: { meeting: Meeting; continued: boolean; now: number; selected: boolean; open: (m: Meeting) => void }) {
  const { words } = useSurroundings();
  const at = m.status === "cancelled" ? "past" : moment(m, now);
  const subject = m.subject || (m.sensitivity === "normal" ? words.say("meeting.noSubject") : words.say("meeting.private"));
  const way = primary(m) ?? m.join[0];
  return (
    <li class={`row ${at} ${tint(m)} answer-${m.answer || "none"}${m.status === "cancelled" ? " cancelled" : ""}${selected ? " selected" : ""}`}>
      <p class="row-time">
        <time dateTime={new Date(m.start).toISOString()}>{continued ? words.say("list.continued") : words.time(m.start)}</time>
        <time dateTime={new Date(m.end).toISOString()}>{words.time(m.end)}</time>
      </p>
      <div class="row-body">
        <h3>
          <button type="button" class="plain open" aria-label={words.say("list.open", { subject })} aria-pressed={selected} onClick={() => open(m)}>
            {subject}
          </button>
          {m.sensitivity !== "normal" && <Small icon="lock" label={words.say("meeting.private")} />}
          {m.series && <Small icon="repeat" label={words.say("list.series")} />}
        </h3>
        <p class="row-meta">
          {m.status === "cancelled" && <span class="tag">{words.say("meeting.cancelled")}</span>}
          {way && service(way) && <span class="service">{service(way)}</span>}
          {place(m) && <span>{place(m)}</span>}
          {m.organizer.name && m.answer !== "organizer" && <span>{m.organizer.name}</span>}
        </p>
        {at === "running" && <Progress meeting={m} now={now} />}
      </div>
      {joinable(m, now) ? <JoinLink meeting={m} /> : m.start > now && m.start - now < 60 * minute ? <span class="row-in">{words.until(m.start - now)}</span> : null}
    </li>
  );
}

function Small({ icon, label }: { icon: "lock" | "repeat"; label: string }) {
  return (
    <span class="small-icon" title={label}>
      <Icon name={icon} size={14} />
      <span class="unseen">{label}</span>
    </span>
  );
}

// walk moves between meetings by the arrow keys.
function walk(e: KeyboardEvent): void {
  const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
  const from = (e.target as Element).closest<HTMLElement>(".open");
  if (!step || !from) return;
  const all = [...(e.currentTarget as Element).querySelectorAll<HTMLElement>(".open")];
  all[all.indexOf(from) + step]?.focus();
  e.preventDefault();
}

function Loading() {
  const { words } = useSurroundings();
  return (
    <div class="list loading" role="status" aria-label={words.say("list.loading")}>
      {[4, 2].map((n) => (
        <section class="day" key={n} aria-hidden="true">
          <div class="bone head" />
          {Array.from({ length: n }, (_, i) => (
            <div class="bone" key={i} />
          ))}
        </section>
      ))}
    </div>
  );
}

function Blank({ title, body, waiting }: { title: string; body: string; waiting?: boolean }) {
  return (
    <div class={waiting ? "blank waiting" : "blank"} role="status">
      <svg class="drawing" width="160" height="112" viewBox="0 0 160 112" aria-hidden="true" focusable="false">
        <circle class="sun" cx="104" cy="42" r="22" />
        <path class="hill" d="M0 96c26-30 46-42 68-26s34 8 48-4 28-8 44 14v32H0z" />
        <path class="hill near" d="M0 104c32-18 58-18 84-8s50 8 76-6v22H0z" />
      </svg>
      <h2>{title}</h2>
      <p>{body}</p>
    </div>
  );
}
