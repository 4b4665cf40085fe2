// The bar on top: name, state of the connection, settings.

import { useState } from "preact/hooks";
import { languages, type Language } from "../words/words";
import { minute } from "../calendar/agenda";
import { useEngine, useNow, useStore, useSurroundings } from "./context";
import { Icon, Mark } from "./icons";
import { ask, permission } from "./notify";

export function Header() {
  const { words } = useSurroundings();
  const { phase } = useEngine();
  return (
    <header class="bar">
      <a class="skip" href="#list" onClick={(e) => (e.preventDefault(), document.getElementById("list")?.focus())}>
        {words.say("app.skip")}
      </a>
      <div class="brand">
        <Mark />
        <h1>{words.say("app.name")}</h1>
      </div>
      {phase === "ready" && <Link />}
      <Menu />
    </header>
  );
}

function Link() {
  const { words } = useSurroundings();
  const { link, synced } = useEngine();
  const now = useNow(minute);
  const as = synced ? words.say("link.synced", { time: words.stamp(synced, now) }) : words.say("link.never");
  return (
    <p class={`link ${link}`} role="status" title={as}>
      <i aria-hidden="true" />
      <span>{words.say(`link.${link}`)}</span>
      {link !== "live" && <span class="as-of">{as}</span>}
    </p>
  );
}

function Menu() {
  const { words, prefs, engine } = useSurroundings();
  const { phase } = useEngine();
  const p = useStore(prefs);
  const [sure, setSure] = useState(false);
  return (
    <>
      <button type="button" class="quiet round" popovertarget="menu" aria-label={words.say("menu.open")}>
        <Icon name="gear" />
      </button>
      <div id="menu" popover="auto" class="menu" onToggle={() => setSure(false)}>
        <Choice
          legend={words.say("menu.language")}
          name="language"
          value={p.language}
          options={[["auto", words.say("menu.auto")], ...(Object.keys(languages) as Language[]).map((l) => [l, names[l]] as [Language, string])]}
          choose={(language) => prefs.set({ language })}
        />
        <Choice
          legend={words.say("menu.look")}
          name="look"
          value={p.look}
          options={[
            ["auto", words.say("menu.auto")],
            ["light", words.say("menu.light")],
            ["dark", words.say("menu.dark")],
          ]}
          choose={(look) => prefs.set({ look })}
        />
        <Notifications />
        {phase === "ready" &&
          (sure ? (
            <div class="sure">
              <p>{words.say("menu.signOutSure")}</p>
              <button type="button" class="soft danger" onClick={() => void engine.signOut()}>
                {words.say("menu.signOut")}
              </button>
              <button type="button" class="soft" onClick={() => setSure(false)}>
                {words.say("menu.cancel")}
              </button>
            </div>
          ) : (
            <button type="button" class="menu-item" onClick={() => setSure(true)}>
              <Icon name="out" size={18} />
              {words.say("menu.signOut")}
            </button>
          ))}
      </div>
    </>
  );
}

const names: Record<Language, string> = { en: "English", ja: "日本語" };

interface ChoiceProps<T extends string> {
  legend: string;
  name: string;
  value: T;
  options: [T, string][];
  choose: (v: T) => void;
}

function Choice<T extends string>({ legend, name, value, options, choose }: ChoiceProps<T>) {
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      <div class="segments">
        {options.map(([v, label]) => (
          <label key={v}>
            <input type="radio" name={name} value={v} checked={v === value} onChange={() => choose(v)} />
            <span>{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Notifications() {
  const { words } = useSurroundings();
  const [state, setState] = useState(permission());
  if (state === "none") return null;
  return (
    <fieldset class="choice">
      <legend>{words.say("notify.title")}</legend>
      {state === "default" ? (
        <button type="button" class="soft" onClick={async () => setState(await ask())}>
          <Icon name="bell" size={18} />
          {words.say("notify.turnOn")}
        </button>
      ) : (
        <p class="hint">{words.say(state === "granted" ? "notify.on" : "notify.blocked")}</p>
      )}
    </fieldset>
  );
}
