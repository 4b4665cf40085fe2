// The pop-up five minutes before: Join, later, or away with it.

import { useEffect, useRef } from "preact/hooks";
import { minute } from "../calendar/agenda";
import type { Meeting } from "../calendar/meeting";
import { due } from "../calendar/reminder";
import { countdown } from "../words/words";
import { useEngine, useNow, useSurroundings } from "./context";
import { Icon } from "./icons";
import { JoinLink } from "./join";
import { announce, withdraw } from "./notify";
import { primary, service, tint } from "./provider";

const most = 3; // shown at once; the others follow when these are dealt with

export function Popup() {
  const { engine, clock, words } = useSurroundings();
  const { meetings, marks } = useEngine();
  const now = useNow(1000);
  const list = due(meetings, marks, now).slice(0, most);
  const told = useRef(new Set<string>());
  const shown = useRef<Meeting[]>([]);

  // Whatever popped up stays until it is dealt with or over; the person is
  // told once by the system too, if they look elsewhere, and the system's
  // notification leaves with the pop-up.
  useEffect(() => {
    for (const m of shown.current) if (!list.some((x) => x.id === m.id)) void withdraw(m);
    shown.current = list;
    for (const m of list) {
      const key = `${m.id} ${m.start} ${marks[m.id]?.until ?? 0}`;
      if (told.current.has(key)) continue;
      told.current.add(key);
      if (marks[m.id]?.start !== m.start) void engine.mark(m, clock.now());
      void announce(m, words);
    }
  });

  if (list.length === 0) return null;
  return <Box key="popup" meetings={list} now={now} />;
}

function Box({ meetings, now }: { meetings: Meeting[]; now: number }) {
  const { engine, words } = useSurroundings();
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    box.current?.showModal(); // and the first Join has the keyboard
  }, []);
  const first = meetings[0]!;
  const dismiss = () => {
    for (const m of meetings) void engine.mark(m, Infinity);
  };
  return (
    <dialog
      ref={box}
      class="popup"
      role="alertdialog"
      aria-label={words.say("popup.title")}
      onCancel={(e) => {
        e.preventDefault();
        dismiss();
      }}
      onKeyDown={(e) => {
        if (e.key.toLowerCase() === "s" && !e.ctrlKey && !e.metaKey && !e.altKey) {
          void engine.mark(first, snoozes(first, now)[0]!.until);
        }
      }}
    >
      {meetings.map((m) => (
        <Card key={m.id} meeting={m} now={now} />
      ))}
      <p class="popup-keys" aria-hidden="true">
        {words.say("popup.keys")}
      </p>
    </dialog>
  );
}

function Card({ meeting: m, now }: { meeting: Meeting; now: number }) {
  const { engine, words } = useSurroundings();
  const way = primary(m) ?? m.join[0];
  return (
    <article class={`card ${tint(m)}`}>
      <Ring meeting={m} now={now} />
      <div class="card-text">
        <h2>{m.subject || words.say("meeting.noSubject")}</h2>
        <p>{[words.range(m.start, m.end), way && service(way)].filter(Boolean).join(" · ")}</p>
        {m.organizer.name && <p>{m.organizer.name}</p>}
      </div>
      <div class="card-actions">
        <JoinLink meeting={m} large />
        {snoozes(m, now).map((s) => (
          <button type="button" class="soft" key={s.kind} onClick={() => void engine.mark(m, s.until)}>
            {s.kind === "start" ? words.say("popup.atStart") : words.say("popup.snooze", { span: words.span(s.ms) })}
          </button>
        ))}
        <button type="button" class="soft" onClick={() => void engine.mark(m, Infinity)}>
          {words.say("popup.dismiss")}
        </button>
      </div>
    </article>
  );
}

interface Snooze {
  kind: "span" | "start";
  ms: number;
  until: number;
}

// snoozes are the sensible delays: a minute, and the start if it is not here.
export function snoozes(m: Meeting, now: number): Snooze[] {
  const one: Snooze = { kind: "span", ms: minute, until: now + minute };
  const left = m.start - now;
  return left > 90_000 ? [one, { kind: "start", ms: left, until: m.start }] : [{ ...one, ms: 2 * minute, until: now + 2 * minute }];
}

// Ring counts down to the start, and up from it.
function Ring({ meeting: m, now }: { meeting: Meeting; now: number }) {
  const { words } = useSurroundings();
  const left = m.start - now;
  const around = 2 * Math.PI * 34;
  const share = left > 0 ? Math.min(1, left / Math.max(m.lead, minute)) : 0;
  return (
    <div class={left > 0 ? "ring" : "ring over"} role="timer" aria-label={words.say(left > 0 ? "popup.starts" : "popup.started")}>
      <svg width="84" height="84" viewBox="0 0 84 84" aria-hidden="true" focusable="false">
        <circle class="rail" cx="42" cy="42" r="34" />
        <circle class="gone" cx="42" cy="42" r="34" stroke-dasharray={`${(around * share).toFixed(1)} ${around.toFixed(1)}`} transform="rotate(-90 42 42)" />
      </svg>
      <strong>{left > 0 ? countdown(left) : countdown(-left - 999)}</strong>
      <Icon name="bell" size={14} />
    </div>
  );
}
