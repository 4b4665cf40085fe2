// What is wrong, in a sentence that says what to do.

import type { Trouble } from "../cloud/cloud";
import type { Words } from "../words/words";
import { useEngine, useNow, useSurroundings } from "./context";
import { Icon } from "./icons";

export function sentence(words: Words, t: Trouble): string {
  switch (t.kind) {
    case "code":
    case "refused":
    case "away":
      return words.say(`trouble.${t.server}.${t.kind}`);
    case "busy":
    case "clock":
      return words.say(`trouble.${t.kind}`);
    default:
      return words.say("trouble.broken");
  }
}

export function Troubles() {
  const { words, engine } = useSurroundings();
  const { trouble, unopened, newer, link, synced } = useEngine();
  const now = useNow(60_000);
  let text = "";
  let reload = false;
  if (link !== "live" && !navigator.onLine) {
    text = words.say("trouble.offline", { synced: synced ? words.say("link.synced", { time: words.stamp(synced, now) }) : words.say("link.never") });
  } else if (trouble) {
    text = sentence(words, trouble);
    reload = trouble.kind === "broken" || trouble.kind === "clock";
  } else if (newer) {
    text = words.say("trouble.newer");
    reload = true;
  } else if (unopened > 0) {
    text = words.count("trouble.unopened", unopened);
  }
  if (!text) return null;
  return (
    <div class="trouble" role="alert">
      <Icon name={link === "offline" ? "offline" : "warn"} size={18} />
      <p>{text}</p>
      {reload ? (
        <button type="button" class="soft" onClick={() => location.reload()}>
          {words.say("trouble.reload")}
        </button>
      ) : (
        link === "offline" && (
          <button type="button" class="soft" onClick={() => engine.nudge()}>
            {words.say("trouble.retry")}
          </button>
        )
      )}
    </div>
  );
}
