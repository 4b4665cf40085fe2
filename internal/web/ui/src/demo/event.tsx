// One meeting as Exchange has it, with the text that Koyomi adds to it and the
// mails that went out for it.

import { useEffect, useState } from "preact/hooks";
import { Icon } from "../app/icons";
import type { Words } from "../words/words";
import type { API, CalendarEvent } from "./api";
import { explain } from "./page";
import { split, textOf } from "./text";
import type { Say } from "./words";

interface Props {
  api: API;
  say: Say;
  words: Words;
  event: CalendarEvent;
  close: () => void;
  remove: () => Promise<void>;
}

export function EventCard({ api, say, words, event: e, close, remove }: Props) {
  const [error, setError] = useState("");
  const { own, added } = split(textOf(e.body, e.bodyType), e.joined ? e.joinUrl : "");
  return (
    <article class="sheet" aria-label={e.subject}>
      <div class="sheet-head">
        <h3>{e.subject}</h3>
        <button type="button" class="quiet round" aria-label={say("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <p class="meta">
        {words.range(Date.parse(e.start), Date.parse(e.end))}
        {e.location ? " · " + e.location : ""}
      </p>
      <section>
        <h4>{say("stored")}</h4>
        <div class="stored">
          {own && <p>{own}</p>}
          {added && (
            <div class="added">
              <small>{say("blockAdded")}</small>
              <p>{added}</p>
            </div>
          )}
          {!own && !added && <p class="hint">{say("emptyBody")}</p>}
        </div>
      </section>
      {e.attendees.length > 0 && <Inboxes api={api} say={say} event={e} />}
      {e.mine && (
        <div class="actions">
          {error && (
            <p class="notice" role="alert">
              {error}
            </p>
          )}
          <button type="button" class="soft danger" onClick={() => remove().catch((err) => setError(explain(err, say)))}>
            {say("remove")}
          </button>
        </div>
      )}
    </article>
  );
}

// Inboxes counts the mails about this meeting that each attendee has.
function Inboxes({ api, say, event: e }: { api: API; say: Say; event: CalendarEvent }) {
  const [counts, setCounts] = useState<Record<string, number>>({});
  useEffect(() => {
    let stopped = false;
    const count = async () => {
      for (const a of e.attendees) {
        const messages = await api.inbox(a.address).catch(() => []);
        const n = messages.filter((m) => m.kind !== "response" && m.subject.endsWith(e.subject)).length;
        if (!stopped) setCounts((c) => ({ ...c, [a.address]: n }));
      }
    };
    void count();
    return () => void (stopped = true);
  }, [api, e.id, e.changeKey, e.joined]);
  return (
    <section>
      <h4>{say("inboxes")}</h4>
      <ul class="inboxes">
        {e.attendees.map((a) => (
          <li key={a.address}>
            <span>{a.name || a.address}</span>
            <span>{counts[a.address] === undefined ? "…" : counts[a.address] === 1 ? say("inboxOne") : say("inboxMany", { n: counts[a.address]! })}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
