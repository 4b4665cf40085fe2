// A page that shows this app in a frame, as the demo's does, may ask to be told
// when a meeting is opened. Who may show the app in a frame at all is the
// server's word (frame-ancestors); nobody else can ask, and without a question
// nothing is said. The answer is the meeting's UID, never a word of it.

import type { Meeting } from "../calendar/meeting";

export class Embedder {
  private port: MessagePort | undefined;

  // listen waits for the question: a message from the page around this one
  // with a port to answer on.
  listen(): void {
    if (window.parent === window) return;
    addEventListener("message", (e) => {
      if (e.source === window.parent && e.data?.koyomi === "tell" && e.ports[0]) this.port = e.ports[0];
    });
  }

  opened(m: Meeting): void {
    this.port?.postMessage({ koyomi: "opened", uid: m.uid, join: m.join.length > 0 });
  }
}
