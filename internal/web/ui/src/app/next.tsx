// The card of the meeting that matters now.

import { hasJoin, joinable, moment, next } from "../calendar/agenda";
import type { Meeting } from "../calendar/meeting";
import { countdown } from "../words/words";
import { useEngine, useNow, useSurroundings } from "./context";
import { Icon } from "./icons";
import { JoinLink } from "./join";
import { place, primary, service, tint } from "./provider";

export function Next({ open }: { open: (m: Meeting) => void }) {
  const { words } = useSurroundings();
  const { meetings } = useEngine();
  const now = useNow(1000);
  const m = next(meetings, now);
  if (meetings.length === 0) return null; // the list says so, or is still loading
  if (!m || m.start > now + 16 * 3_600_000) {
    return (
      <section class="next idle" aria-label={words.say("next.up")}>
        <Quiet />
        <h2>{words.say("next.nothing")}</h2>
        <p>{m ? `${words.say("next.up")}: ${words.fullDate(m.start)}, ${words.time(m.start)}` : words.say("next.nothingBody")}</p>
      </section>
    );
  }
  const at = moment(m, now);
  const where = place(m) || (m.answer === "organizer" ? "" : m.organizer.name);
  const label = at === "running" ? "next.running" : at === "soon" ? "next.soon" : "next.up";
  return (
    <section class={`next ${at} ${tint(m)}`} aria-label={words.say(label)}>
      <div class="next-top">
        <span class="next-label">{words.say(label)}</span>
        <span class="next-when">{whenever(m, now, words)}</span>
      </div>
      <h2>
        <button type="button" class="plain" onClick={() => open(m)}>
          {m.subject || words.say("meeting.noSubject")}
        </button>
      </h2>
      <p class="next-meta">
        <Icon name="clock" size={16} />
        <span>{words.range(m.start, m.end)}</span>
      </p>
      {where && (
        <p class="next-meta">
          <Icon name={place(m) ? "pin" : "people"} size={16} />
          <span>{where}</span>
        </p>
      )}
      {at === "running" && <Progress meeting={m} now={now} />}
      <NextAction meeting={m} now={now} />
    </section>
  );
}

function NextAction({ meeting: m, now }: { meeting: Meeting; now: number }) {
  const { words } = useSurroundings();
  if (!hasJoin(m)) return <p class="next-wait">{words.say("next.noJoin")}</p>;
  if (joinable(m, now)) return <JoinLink meeting={m} large />;
  const way = primary(m);
  return (
    <p class="next-wait">
      <Icon name="video" size={16} />
      <span>
        {way && service(way) ? service(way) + " · " : ""}
        {words.say("next.joinAt", { time: words.time(m.start - m.lead) })}
      </span>
    </p>
  );
}

function whenever(m: Meeting, now: number, words: ReturnType<typeof useSurroundings>["words"]): string {
  if (now >= m.start) return words.say("when.left", { span: words.span(Math.ceil((m.end - now) / 60_000) * 60_000) });
  return m.start - now <= 10 * 60_000 ? countdown(m.start - now) : words.until(m.start - now);
}

export function Progress({ meeting: m, now }: { meeting: Meeting; now: number }) {
  const share = Math.min(1, Math.max(0, (now - m.start) / Math.max(1, m.end - m.start)));
  return (
    <svg class="progress" width="100%" height="4" aria-hidden="true" focusable="false">
      <rect class="rail" width="100%" height="4" rx="2" />
      <rect class="gone" width={`${(share * 100).toFixed(2)}%`} height="4" rx="2" />
    </svg>
  );
}

function Quiet() {
  return (
    <svg class="drawing" width="96" height="56" viewBox="0 0 96 56" aria-hidden="true" focusable="false">
      <circle class="sun" cx="62" cy="22" r="12" />
      <path class="hill" d="M0 50c14-16 26-22 38-14s20 4 28-2 18-4 30 8v14H0z" />
      <path class="hill near" d="M0 54c18-10 34-10 50-4s32 4 46-4v10H0z" />
    </svg>
  );
}
