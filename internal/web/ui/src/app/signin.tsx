// What is shown before there is a list: no keys here, keys being made, or a
// browser that cannot keep any.

import { useState } from "preact/hooks";
import { parseCodes } from "./config";
import { useEngine, useSurroundings } from "./context";
import { Icon, Mark } from "./icons";
import { sentence } from "./trouble";

export function SignedOut() {
  const { words, engine } = useSurroundings();
  const { trouble } = useEngine();
  const [bad, setBad] = useState(false);
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const text = String(new FormData(e.currentTarget as HTMLFormElement).get("link") ?? "");
    const codes = parseCodes(text.slice(text.indexOf("#") + 1));
    setBad(!codes);
    if (codes) void engine.signIn(codes);
  };
  return (
    <Panel title={words.say("in.title")}>
      <p>{words.say("in.body")}</p>
      {trouble && (
        <p class="notice" role="alert">
          <Icon name="warn" size={18} />
          {sentence(words, trouble)}
        </p>
      )}
      <form onSubmit={submit} novalidate>
        <label for="sign-in-link">{words.say("in.paste")}</label>
        <div class="field">
          <input id="sign-in-link" name="link" type="text" inputMode="url" autoComplete="off" spellcheck={false} placeholder="https://…#k=…&c=…" aria-invalid={bad} aria-describedby="sign-in-hint" />
          <button type="submit" class="primary">
            {words.say("in.go")}
          </button>
        </div>
        <p id="sign-in-hint" class={bad ? "hint bad" : "hint"} role={bad ? "alert" : undefined}>
          {words.say(bad ? "in.bad" : "in.how")}
        </p>
      </form>
    </Panel>
  );
}

export function Redeeming() {
  const { words } = useSurroundings();
  const { trouble } = useEngine();
  return (
    <Panel title={words.say("in.working")} busy>
      <p role="status">{trouble ? sentence(words, trouble) : words.say("in.workingBody")}</p>
    </Panel>
  );
}

export function Unable() {
  const { words } = useSurroundings();
  return (
    <Panel title={words.say("unable.title")}>
      <p role="alert">{words.say("unable.body")}</p>
    </Panel>
  );
}

function Panel({ title, busy, children }: { title: string; busy?: boolean; children: preact.ComponentChildren }) {
  return (
    <main class="panel">
      <div class={busy ? "panel-in busy" : "panel-in"}>
        <Mark size={56} />
        <h2>{title}</h2>
        {children}
      </div>
    </main>
  );
}
