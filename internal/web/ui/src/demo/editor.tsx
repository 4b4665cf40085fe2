// The form of a new meeting, as in any calendar program.

import { useState } from "preact/hooks";
import { Icon } from "../app/icons";
import type { Draft, State } from "./api";
import { explain } from "./page";
import { zoomInvitation } from "./text";
import { fieldOf, soon } from "./time";
import type { Say } from "./words";

interface Props {
  say: Say;
  state: State;
  save: (d: Draft) => Promise<void>;
  cancel: () => void;
}

export function Editor({ say, state, save, cancel }: Props) {
  const others = state.users.filter((u) => u.address !== state.me.address);
  const [subject, setSubject] = useState<string>(say("subjectExample"));
  const [chosen, setStart] = useState<string>(); // until then the start moves on with the time
  const start = chosen ?? fieldOf(soon(Date.now()));
  const [length, setLength] = useState(30);
  const [location, setLocation] = useState("@meet");
  const [body, setBody] = useState<string>(say("bodyExample"));
  const [invited, setInvited] = useState<string[]>(others.slice(0, 1).map((u) => u.address));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const from = new Date(start).getTime();
    if (Number.isNaN(from)) return;
    setBusy(true);
    try {
      await save({ subject, start: new Date(from).toISOString(), end: new Date(from + length * 60_000).toISOString(), location, body, attendees: invited });
    } catch (err) {
      setError(explain(err, say));
      setBusy(false);
    }
  };

  return (
    <form class="sheet" onSubmit={submit} aria-label={say("newMeeting")}>
      <div class="sheet-head">
        <h3>{say("newMeeting")}</h3>
        <button type="button" class="quiet round" aria-label={say("cancel")} onClick={cancel}>
          <Icon name="close" />
        </button>
      </div>
      <label class="wide">
        <span>{say("subject")}</span>
        <input name="subject" type="text" value={subject} required maxLength={250} onInput={(e) => setSubject(e.currentTarget.value)} />
      </label>
      <div class="pair">
        <label>
          <span>{say("start")}</span>
          <input name="start" type="datetime-local" value={start} required onInput={(e) => setStart(e.currentTarget.value)} />
        </label>
        <label>
          <span>{say("length")}</span>
          <select name="length" value={length} onChange={(e) => setLength(Number(e.currentTarget.value))}>
            {[15, 30, 45, 60, 90].map((n) => (
              <option key={n} value={n}>
                {say("minutes", { n })}
              </option>
            ))}
          </select>
        </label>
      </div>
      <label class="wide">
        <span>{say("location")}</span>
        <input name="location" type="text" value={location} maxLength={250} onInput={(e) => setLocation(e.currentTarget.value)} />
      </label>
      <p class="chips">
        <button type="button" class={location.includes("@meet") ? "chip on" : "chip"} onClick={() => setLocation(location.includes("@meet") ? location.replace(/\s*@meet/, "") : (location + " @meet").trim())}>
          @meet
        </button>
        <small>{say("locationHint")}</small>
      </p>
      <fieldset class="invite">
        <legend>{say("people")}</legend>
        {others.map((u) => (
          <label class="check" key={u.address}>
            <input
              type="checkbox"
              checked={invited.includes(u.address)}
              onChange={(e) => setInvited(e.currentTarget.checked ? [...invited, u.address] : invited.filter((a) => a !== u.address))}
            />
            <span>{u.name}</span>
          </label>
        ))}
      </fieldset>
      <label class="wide">
        <span>{say("body")}</span>
        <textarea name="body" rows={4} value={body} maxLength={20000} onInput={(e) => setBody(e.currentTarget.value)} />
      </label>
      {error && (
        <p class="notice" role="alert">
          {error}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {say(busy ? "saving" : "save")}
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setLocation("");
            setBody(zoomInvitation);
          }}
        >
          {say("paste")}
        </button>
      </div>
    </form>
  );
}
