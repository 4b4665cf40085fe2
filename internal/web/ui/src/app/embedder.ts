// A page that shows this app in a frame, as the demo's does, may ask to be told
// when a meeting is opened. It must be the one that the server's configuration
// names: to anybody else nothing is ever said. The answer is the meeting's UID
// and whether it can be joined, never a word of it.

import type { Meeting } from "../calendar/meeting";
import type { Config } from "./config";

export class Embedder {
  private asker: { origin: string; port: MessagePort } | undefined;

  // listen waits for the question: a message from the page around this one,
  // with a port to answer on.
  listen(): void {
    if (window.parent === window) return;
    addEventListener("message", (e) => {
      if (e.source !== window.parent || e.data?.koyomi !== "tell" || !e.ports[0]) return;
      this.asker = { origin: e.origin, port: e.ports[0] };
    });
  }

  opened(m: Meeting, { embedder }: Config): void {
    if (embedder === "" || this.asker?.origin !== embedder) return;
    this.asker.port.postMessage({ koyomi: "opened", uid: m.uid, join: m.join.length > 0 });
  }
}
