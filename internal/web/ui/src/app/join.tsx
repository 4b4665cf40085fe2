// The one button, and the other ways to join.

import { useState } from "preact/hooks";
import type { JoinMethod, Meeting } from "../calendar/meeting";
import type { Words } from "../words/words";
import { useSurroundings } from "./context";
import { Icon } from "./icons";
import { primary, service } from "./provider";

// JoinLink opens the meeting in a window that knows nothing of this one.
export function JoinLink({ meeting, large }: { meeting: Meeting; large?: boolean }) {
  const { engine, words } = useSurroundings();
  const way = primary(meeting);
  if (!way) return null;
  const subject = meeting.subject || words.say("meeting.noSubject");
  return (
    <a
      class={large ? "join large" : "join"}
      href={way.url}
      target="_blank"
      rel="noopener noreferrer"
      referrerpolicy="no-referrer"
      aria-label={words.say("join.joinMeeting", { subject })}
      onClick={(e) => {
        e.stopPropagation();
        void engine.mark(meeting, Infinity);
      }}
    >
      <Icon name="video" />
      <span>{words.say("join.join")}</span>
    </a>
  );
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const { words } = useSurroundings();
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      setDone(false); // the text stands beside the button and can be selected
    }
  };
  return (
    <button type="button" class={done ? "quiet copy done" : "quiet copy"} aria-label={words.say("join.copyWhat", { what })} onClick={copy}>
      <Icon name={done ? "check" : "copy"} size={16} />
      <span role="status">{done ? words.say("join.copied") : ""}</span>
    </button>
  );
}

// Ways lists every way to join, the best first, with what must be typed.
export function Ways({ meeting }: { meeting: Meeting }) {
  const { words } = useSurroundings();
  const [first, ...rest] = meeting.join.flatMap((m) => lines(m, words));
  if (!first) return null;
  return (
    <div class="ways">
      <dl>
        <Line {...first} />
      </dl>
      {rest.length > 0 && (
        <details>
          <summary>
            {words.say("join.other")} <Icon name="chevron" size={16} />
          </summary>
          <dl>
            {rest.map((l, i) => (
              <Line key={i} {...l} />
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}

interface LineProps {
  label: string;
  text: string;
  note?: string;
  link?: string;
}

function lines(m: JoinMethod, words: Words): LineProps[] {
  const out: LineProps[] = [];
  if (m.url) out.push({ label: service(m) || words.say("join.link"), text: m.url, link: m.url });
  if (m.sip) out.push({ label: words.say("join.sip"), text: m.sip });
  if (m.h323) out.push({ label: words.say("join.h323"), text: m.h323 });
  if (m.id && !m.url.includes(m.id)) out.push({ label: words.say("join.id"), text: m.id });
  if (m.passcode) out.push({ label: words.say("join.passcode"), text: m.passcode });
  for (const d of m.dialin) {
    out.push({ label: words.say("join.phone"), text: d.number, note: d.pin && words.say("join.pin", { pin: d.pin }), link: telephone(d.number) });
  }
  return out;
}

function Line({ label, text, note, link }: LineProps) {
  const shown = text.replace(/^https:\/\//, "");
  const outside = link?.startsWith("https:") ? { target: "_blank", rel: "noopener noreferrer", referrerpolicy: "no-referrer" as const } : {};
  return (
    <div class="line">
      <dt>{label}</dt>
      <dd>
        {link ? (
          <a class="text" href={link} {...outside}>
            {shown}
          </a>
        ) : (
          <span class="text">{shown}</span>
        )}
        {note && <small>{note}</small>}
        <CopyButton text={text} what={label} />
      </dd>
    </div>
  );
}

// telephone makes an address of a number as it was written; letters and other
// signs have no place in one.
function telephone(number: string): string {
  const digits = number.replace(/[^\d+]/g, "");
  return digits.length >= 3 ? "tel:" + digits : "";
}
