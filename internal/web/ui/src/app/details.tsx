// One meeting in full. Its second part is opened only now.

import { useEffect, useRef, useState } from "preact/hooks";
import { joinable } from "../calendar/agenda";
import { webAddress, type Answer, type Attendee, type Details as Parts, type Meeting } from "../calendar/meeting";
import { useNow, useSurroundings } from "./context";
import { Icon, type IconName } from "./icons";
import { JoinLink, Ways } from "./join";
import { place, tint } from "./provider";
import type { Words } from "../words/words";

const wide = "(min-width: 1080px)";

// Details is a column beside the list where there is room, else a sheet over
// it that holds the keyboard's focus.
export function Details({ meeting: m, close }: { meeting: Meeting; close: () => void }) {
  const { words } = useSurroundings();
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const media = matchMedia(wide);
    const show = () => {
      box.current?.close();
      if (media.matches) box.current?.show();
      else box.current?.showModal();
    };
    show();
    media.addEventListener("change", show);
    return () => media.removeEventListener("change", show);
  }, []);
  const subject = m.subject || words.say("meeting.noSubject");
  return (
    <dialog
      ref={box}
      class={`details ${tint(m)}`}
      aria-label={subject}
      onCancel={(e) => {
        e.preventDefault();
        close();
      }}
      onKeyDown={(e) => e.key === "Escape" && close()}
      onClick={(e) => e.target === box.current && close()}
    >
      <div class="details-in">
        <button type="button" class="quiet round details-close" aria-label={words.say("details.close")} onClick={close}>
          <Icon name="close" />
        </button>
        <Top meeting={m} subject={subject} />
        <Body meeting={m} />
      </div>
    </dialog>
  );
}

function Top({ meeting: m, subject }: { meeting: Meeting; subject: string }) {
  const { words } = useSurroundings();
  const now = useNow(15_000);
  return (
    <header>
      <h2 tabIndex={-1}>{subject}</h2>
      <Fact icon="clock">
        <span>{words.fullDate(m.start)}</span>
        <span>
          {m.allDay ? words.say("day.allDay") : words.range(m.start, m.end)} {!m.allDay && <small>{words.zone(m.start)}</small>}
        </span>
      </Fact>
      {place(m) && (
        <Fact icon="pin">
          <span>{place(m)}</span>
        </Fact>
      )}
      {m.sensitivity !== "normal" && (
        <Fact icon="lock">
          <span>{words.say("meeting.private")}</span>
        </Fact>
      )}
      {m.notice && (
        <p class="notice">
          <Icon name="warn" size={16} />
          {noticeText(m, words)}
        </p>
      )}
      {joinable(m, now) && <JoinLink meeting={m} large />}
      {m.join.length > 0 && <Ways meeting={m} />}
    </header>
  );
}

function noticeText(m: Meeting, words: Words): string {
  if (m.notice === "sending-not-confirmed" || m.notice === "invitation-not-seen") return words.say(`notice.${m.notice}`);
  if (m.waiting === null) return words.say("notice.other");
  const said = { service: m.waiting.service, since: words.time(m.waiting.since) };
  return m.waiting.retry === 0 ? words.say("notice.waiting", said) : words.say("notice.waitingUntil", { ...said, retry: words.time(m.waiting.retry) });
}

function Body({ meeting: m }: { meeting: Meeting }) {
  const { engine, words } = useSurroundings();
  const [parts, setParts] = useState<Parts | "loading" | "none" | "failed">("loading");
  useEffect(() => {
    let current = true;
    engine.details(m).then(
      (d) => current && setParts(d ?? "none"),
      () => current && setParts("failed"),
    );
    return () => void (current = false);
  }, [m.id, m.rev, m]);
  if (parts === "loading") return <p class="hint" role="status">{words.say("details.loading")}</p>;
  if (parts === "failed") return <p class="hint" role="alert">{words.say("details.failed")}</p>;
  const attendees = parts === "none" ? [] : parts.attendees;
  const notes = parts === "none" ? "" : parts.notes.trim();
  return (
    <>
      {(m.organizer.name || m.organizer.mail || attendees.length > 0) && <People meeting={m} attendees={attendees} />}
      <section class="agenda">
        <h3>{words.say("details.agenda")}</h3>
        {notes ? <Notes text={notes} /> : <p class="hint">{words.say(parts === "none" ? "details.none" : "details.noAgenda")}</p>}
      </section>
    </>
  );
}

function Fact({ icon, children }: { icon: IconName; children: preact.ComponentChildren }) {
  return (
    <div class="fact">
      <Icon name={icon} size={18} />
      <p>{children}</p>
    </div>
  );
}

const few = 8;

function People({ meeting: m, attendees }: { meeting: Meeting; attendees: Attendee[] }) {
  const { words } = useSurroundings();
  const [all, setAll] = useState(false);
  const same = (a: Attendee) => a.mail !== "" && a.mail.toLowerCase() === m.organizer.mail.toLowerCase();
  const others = attendees.filter((a) => !same(a));
  const guests = others.filter((a) => a.role !== "resource");
  const n = (x: Answer) => guests.filter((a) => a.answer === x).length;
  const summary = (["accepted", "tentative", "declined", ""] as const)
    .filter((a) => n(a) > 0)
    .map((a) => words.say(`answer.count.${a || "none"}`, { n: n(a) }))
    .join(" · ");
  const shown = all || others.length <= few + 1 ? others : others.slice(0, few);
  const hasOrganizer = m.organizer.name !== "" || m.organizer.mail !== "";
  return (
    <section class="people">
      <h3>
        {words.count("details.people", guests.length + (hasOrganizer ? 1 : 0))}
        {guests.length > 0 && <small>{summary}</small>}
      </h3>
      <ul>
        {hasOrganizer && <PersonRow name={m.organizer.name} mail={m.organizer.mail} answer="organizer" />}
        {shown.map((a, i) => (
          <PersonRow key={a.mail || i} name={a.name} mail={a.mail} answer={a.answer} role={a.role} />
        ))}
      </ul>
      {shown.length < others.length && (
        <button type="button" class="quiet more" onClick={() => setAll(true)}>
          {words.count("details.more", others.length - shown.length)}
        </button>
      )}
    </section>
  );
}

const signs: Record<Answer, IconName | undefined> = { accepted: "check", declined: "close", tentative: "question", "": undefined, organizer: undefined };

function PersonRow({ name, mail, answer, role }: { name: string; mail: string; answer: Answer; role?: Attendee["role"] }) {
  const { words } = useSurroundings();
  const shown = name || mail;
  const word = words.say(`answer.${answer || "none"}`);
  return (
    <li class={`person answer-${answer || "none"}`}>
      <span class={`face face-${hue(mail || shown)}`} aria-hidden="true">
        {role === "resource" ? <Icon name="door" size={16} /> : initials(shown)}
      </span>
      <span class="person-name" title={mail}>
        {shown}
        {role === "optional" && <small>{words.say("details.optional")}</small>}
        {role === "resource" && <small>{words.say("details.resource")}</small>}
      </span>
      <span class="answer">
        {signs[answer] && <Icon name={signs[answer]!} size={14} />}
        {word}
      </span>
    </li>
  );
}

// initials takes one letter of the first and last name; a name without spaces
// (Japanese, or an address) gives its first letter.
function initials(name: string): string {
  const words = name.replace(/@.*$/, "").split(/[\s.　]+/).filter(Boolean);
  const letters = [words[0], words.length > 1 && /^[\u0000-\u024f]/.test(name) ? words.at(-1) : ""];
  return letters.map((w) => (w ? [...w][0]! : "")).join("").toUpperCase();
}

function hue(s: string): number {
  let h = 0;
  for (const c of s.toLowerCase()) h = (h * 31 + c.codePointAt(0)!) >>> 0;
  return h % 6;
}

// Notes shows what the organizer wrote as text. Web addresses become links,
// nothing else means anything.
function Notes({ text }: { text: string }) {
  const pieces = text.split(/(https:\/\/[^\s<>"'「」（）()、。]+)/g);
  return (
    <p class="notes">
      {pieces.map((p, i) => {
        const url = i % 2 === 1 ? webAddress(p.replace(/[.,;:!?]+$/, "")) : "";
        return url ? (
          <a key={i} href={url} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer">
            {p}
          </a>
        ) : (
          p
        );
      })}
    </p>
  );
}
