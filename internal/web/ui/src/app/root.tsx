// The whole page.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { joinable, minute, next } from "../calendar/agenda";
import type { Meeting } from "../calendar/meeting";
import type { Clock } from "../time/clock";
import { choose, Words } from "../words/words";
import { Context, useEngine, useNow, useStore, useSurroundings } from "./context";
import { Details } from "./details";
import type { Engine } from "./engine";
import { Header } from "./header";
import { Icon } from "./icons";
import { dayID, List } from "./list";
import { Next } from "./next";
import { ask, permission } from "./notify";
import { Popup } from "./popup";
import { savePrefs, type Prefs } from "./prefs";
import { Redeeming, SignedOut, Unable } from "./signin";
import type { Store } from "./state";
import { Troubles } from "./trouble";
import { Weeks } from "./weeks";

const days = 28;

export function Root({ engine, clock, prefs }: { engine: Engine; clock: Clock; prefs: Store<Prefs> }) {
  const p = useStore(prefs);
  const words = useMemo(() => {
    const wanted = p.language === "auto" ? navigator.languages : [...navigator.languages.filter((l) => l.startsWith(p.language)), p.language];
    const { language, locale } = choose(wanted);
    return new Words(language, locale);
  }, [p.language]);
  useEffect(() => {
    document.documentElement.lang = words.language;
    document.documentElement.dataset.look = p.look;
    savePrefs(window.localStorage, p);
  }, [words, p]);
  const surroundings = useMemo(() => ({ engine, clock, words, prefs }), [engine, clock, words, prefs]);
  return (
    <Context.Provider value={surroundings}>
      <Header />
      <Page />
    </Context.Provider>
  );
}

function Page() {
  const { phase } = useEngine();
  switch (phase) {
    case "signed-out":
      return <SignedOut />;
    case "redeeming":
      return <Redeeming />;
    case "unable":
      return <Unable />;
    default:
      return <Main />;
  }
}

function Main() {
  const { words } = useSurroundings();
  const { meetings } = useEngine();
  const [selected, select] = useState<string>();
  const from = useRef<HTMLElement | null>(null);
  const meeting = meetings.find((m) => m.id === selected);
  const open = useCallback((m: Meeting) => {
    from.current = document.activeElement as HTMLElement | null;
    select(m.id);
  }, []);
  const close = useCallback(() => {
    select(undefined);
    from.current?.focus();
  }, []);
  useTitle();
  useJoinKey();
  return (
    <>
      <Troubles />
      <main class={meeting ? "main with-details" : "main"}>
        <aside class="side">
          <Today />
          <Next open={open} />
          <Offer />
          <Weeks days={days} go={go} />
        </aside>
        <section id="list" class="middle" tabIndex={-1} aria-label={words.say("list.title")}>
          <List days={days} selected={selected} open={open} />
        </section>
        {meeting && <Details key={meeting.id} meeting={meeting} close={close} />}
      </main>
      <Popup />
    </>
  );
}

function Today() {
  const { words } = useSurroundings();
  const now = useNow(minute);
  return (
    <p class="date">
      <span class="date-number" aria-hidden="true">
        {new Date(now).getDate()}
      </span>
      <span class="date-text">
        <strong>{words.weekday(now)}</strong>
        <span aria-hidden="true">{words.month(now)}</span>
      </span>
    </p>
  );
}

// Offer proposes notifications once; only a click asks the browser.
function Offer() {
  const { words, prefs } = useSurroundings();
  const { offerLater } = useStore(prefs);
  const [state, setState] = useState(permission());
  if (state !== "default" || offerLater) return null;
  return (
    <section class="offer" aria-label={words.say("notify.title")}>
      <Icon name="bell" />
      <p>{words.say("notify.offer")}</p>
      <div>
        <button type="button" class="soft" onClick={async () => setState(await ask())}>
          {words.say("notify.turnOn")}
        </button>
        <button type="button" class="quiet" onClick={() => prefs.set({ offerLater: true })}>
          {words.say("notify.later")}
        </button>
      </div>
    </section>
  );
}

function go(day: number): void {
  const place = document.getElementById(dayID(day));
  place?.scrollIntoView({ block: "start" });
  place?.focus({ preventScroll: true });
}

// useTitle shows in the tab and on the installed app's icon that a meeting is
// about to start. Its subject stays out: tabs are seen by others.
function useTitle(): void {
  const { words } = useSurroundings();
  const { meetings } = useEngine();
  const now = useNow(15_000);
  const m = next(meetings, now);
  const soon = m && joinable(m, now);
  useEffect(() => {
    const name = words.say("app.name");
    document.title = soon ? `● ${now < m.start ? words.until(m.start - now) : words.say("next.running")} · ${name}` : name;
    const badge = navigator as { setAppBadge?(n: number): Promise<void>; clearAppBadge?(): Promise<void> };
    void (soon ? badge.setAppBadge?.(1) : badge.clearAppBadge?.())?.catch(() => {});
  });
}

// useJoinKey joins the meeting that is due by the letter J.
function useJoinKey(): void {
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      const typing = e.target instanceof HTMLInputElement && e.target.type === "text";
      if (e.key.toLowerCase() !== "j" || e.ctrlKey || e.metaKey || e.altKey || typing || document.querySelector("dialog:modal")) return;
      document.querySelector<HTMLAnchorElement>(".next a.join")?.click();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
