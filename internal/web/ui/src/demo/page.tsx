// The demo's page: a calendar on the left, the app on the right, and between
// them what happens.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Mark } from "../app/icons";
import { Failure, type API, type CalendarEvent, type CloudState, type Draft, type State } from "./api";
import { Day } from "./day";
import { Editor } from "./editor";
import { EventCard } from "./event";
import { Steps, type Progress } from "./steps";
import { dayOf } from "./time";
import type { Words } from "../words/words";
import type { Say } from "./words";

export interface PageProps {
  api: API;
  say: Say;
  words: Words;
}

const quick = 100; // milliseconds between two looks while something is under way
const calm = 2000;

export function Page({ api, say, words }: PageProps) {
  const [state, setState] = useState<State>();
  const [error, setError] = useState("");
  const [day, setDay] = useState(dayOf(Date.now()));
  const [events, setEvents] = useState<CalendarEvent[]>([]);
  const [cloud, setCloud] = useState<CloudState>();
  const [progress, setProgress] = useState<Progress>();
  const [selected, select] = useState<string>();
  const [editing, setEditing] = useState(true);
  const working = useRef(0); // until when to look often

  useEffect(() => {
    api.state().then(setState, (e) => setError(explain(e, say)));
  }, [api]);

  // look reads the calendar and the cloud again and lights the steps.
  const look = useCallback(async () => {
    try {
      const [list, c] = await Promise.all([api.events(day, 1), api.cloud()]);
      setEvents(list);
      setCloud(c);
      setError("");
      setProgress((p) => p && advance(p, list, c));
    } catch (e) {
      setError(explain(e, say));
    }
  }, [api, day]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let stopped = false;
    const turn = async () => {
      await look();
      if (!stopped) timer = setTimeout(turn, Date.now() < working.current ? quick : calm);
    };
    void turn();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [look, progress?.id]);

  // ask has the app tell when it opens a meeting.
  const ask = (frame: HTMLIFrameElement) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (e) => {
      if (e.data?.koyomi !== "opened" || e.data.join !== true) return;
      setProgress((p) => (p && sameUID(e.data.uid, p.uid) ? arrived(p, performance.now() - p.since) : p));
    };
    frame.contentWindow?.postMessage({ koyomi: "tell" }, new URL(state!.appLink).origin, [port2]);
  };

  const save = async (d: Draft) => {
    const before = await api.cloud();
    const since = performance.now();
    const ev = await api.create(d);
    working.current = Date.now() + 15_000;
    setProgress({ id: ev.id, uid: ev.uid, since, cursor: before.cursor, keyword: /[@＠]\p{L}/u.test(d.location), saved: performance.now() - since });
    setEvents((list) => [...list.filter((e) => e.id !== ev.id), ev]);
    setDay(dayOf(Date.parse(ev.start)));
    select(ev.id);
    setEditing(false);
  };

  const event = events.find((e) => e.id === selected);
  if (!state) return <p class={error ? "starting failed" : "starting"} role="status">{error || "…"}</p>;
  const first = state.me.name.split(" ")[0]!;
  return (
    <>
      <header class="top">
        <Mark size={36} />
        <div>
          <h1>{say("title")}</h1>
          <p>{say("lead", { name: first })}</p>
        </div>
        <Steps say={say} progress={progress} />
      </header>
      {error && (
        <p class="notice" role="alert">
          {error}
        </p>
      )}
      <main class="panes">
        <section class="pane" aria-label={say("calendar", { name: first })}>
          <div class="pane-head">
            <h2>{say("calendar", { name: first })}</h2>
            <span class="badge">{say("noPlugin")}</span>
            {!editing && (
              <button type="button" class="primary" onClick={() => setEditing(true)}>
                {say("newMeeting")}
              </button>
            )}
          </div>
          <div class="pane-body">
            <Day
              say={say}
              words={words}
              day={day}
              go={setDay}
              events={events}
              selected={selected}
              select={(id) => {
                select(id);
                setEditing(false);
              }}
            />
            {editing ? (
              <Editor say={say} state={state} save={save} cancel={() => setEditing(false)} />
            ) : (
              event && (
                <EventCard
                  key={event.id}
                  api={api}
                  say={say}
                  words={words}
                  event={event}
                  close={() => select(undefined)}
                  remove={async () => {
                    await api.remove(event.id);
                    select(undefined);
                    await look();
                  }}
                />
              )
            )}
          </div>
        </section>
        <section class="pane" aria-label={say("app", { name: first })}>
          <div class="pane-head">
            <h2>{say("app", { name: first })}</h2>
            <span class="badge">{say("appNote")}</span>
            <OpenApp api={api} say={say} />
          </div>
          <iframe class="app" src={state.appLink} title={say("app", { name: first })} allow="clipboard-write" onLoad={(e) => ask(e.currentTarget)} />
        </section>
      </main>
      <Cloud say={say} cloud={cloud} />
    </>
  );
}

// OpenApp opens the app in a tab of its own: with a fresh link, for a link
// works once.
function OpenApp({ api, say }: { api: API; say: Say }) {
  const [href, setHref] = useState("");
  const fresh = () => void api.state().then((s) => setHref(s.appLink), () => {});
  useEffect(fresh, [api]);
  if (!href) return null;
  return (
    <a class="quiet" href={href} target="_blank" rel="noopener noreferrer" onClick={() => setTimeout(fresh, 500)}>
      {say("openApp")}
    </a>
  );
}

function Cloud({ say, cloud }: { say: Say; cloud: CloudState | undefined }) {
  if (!cloud?.last?.jwe) return null;
  return (
    <footer class="cloud">
      <h2>{say("cloud")}</h2>
      <p>{say("cloudNote", { n: cloud.items, bytes: cloud.last.bytes })}</p>
      <code key={cloud.cursor}>{cloud.last.jwe}…</code>
    </footer>
  );
}

// advance lights the steps that the newest look shows to be done.
export function advance(p: Progress, events: CalendarEvent[], cloud: CloudState): Progress {
  const passed = performance.now() - p.since;
  const ev = events.find((e) => e.id === p.id || sameUID(e.uid, p.uid));
  const out = { ...p };
  if (ev?.id) out.id = ev.id;
  if (p.written === undefined && ev && (ev.joined || (!p.keyword && ev.joinUrl !== ""))) out.written = passed;
  if (p.written === undefined) out.cursor = Math.max(p.cursor, cloud.cursor);
  else if (p.sealed === undefined && cloud.cursor > p.cursor) out.sealed = passed;
  return out;
}

// arrived notes that the app opened the meeting with its join details: then
// the steps before are done too, even if no look has shown it yet.
export function arrived(p: Progress, passed: number): Progress {
  return { ...p, written: p.written ?? passed, sealed: p.sealed ?? passed, opened: p.opened ?? passed };
}

function sameUID(a: unknown, b: string): boolean {
  return typeof a === "string" && a !== "" && a.toLowerCase() === b.toLowerCase();
}

export function explain(e: unknown, say: Say): string {
  return e instanceof Failure && e.message ? say("failed", { why: e.message }) : say("away");
}
