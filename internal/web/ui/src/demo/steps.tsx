// The road of a meeting, lit as it is walked.

import { Icon } from "../app/icons";
import type { Say } from "./words";

// Progress is how far the meeting saved last has come; times are milliseconds
// since the click.
export interface Progress {
  id: string;
  uid: string;
  since: number;
  cursor: number; // of the cloud before the join details were written
  keyword: boolean; // a meeting was asked for by keyword
  saved: number;
  written?: number; // the join details stand in the invitation
  sealed?: number; // and have reached the cloud
  opened?: number; // and were opened by the app
}

export function Steps({ say, progress: p }: { say: Say; progress: Progress | undefined }) {
  const steps: [string, number | undefined][] = [
    [say("saved"), p?.saved],
    [say(p && !p.keyword ? "link" : "block"), p?.written],
    [say("sealed"), p?.sealed],
    [say("opened"), p?.opened],
  ];
  return (
    <div class="steps">
      <ol aria-label={say("steps")} aria-live="polite">
        {steps.map(([label, at], i) => (
          <li key={i} class={at === undefined ? (p && steps.slice(0, i).every(([, t]) => t !== undefined) ? "step waiting" : "step") : "step done"}>
            <i>{at === undefined ? i + 1 : <Icon name="check" size={14} />}</i>
            <span>{label}</span>
            <small>{at === undefined ? "" : say("seconds", { n: (at / 1000).toFixed(2) })}</small>
          </li>
        ))}
      </ol>
      {!p && <p class="hint">{say("stepIdle")}</p>}
    </div>
  );
}
