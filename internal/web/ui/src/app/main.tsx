import "../look/tokens.css";
import "../look/base.css";
import "./page.css";
import "./list.css";
import "./details.css";
import "./popup.css";
import { render } from "preact";
import { Clock, steady } from "../time/clock";
import ticker from "../time/ticker.ts?worker&url";
import { takeCodes } from "./config";
import { Embedder } from "./embedder";
import { Engine } from "./engine";
import { loadPrefs } from "./prefs";
import { Root } from "./root";
import { script } from "./scripts";
import { Store } from "./state";

// First of all the codes leave the address, before anything could fail.
const codes = takeCodes(window.location, window.history);

const clock = new Clock();
const prefs = new Store(loadPrefs(storage()));
document.documentElement.dataset.look = prefs.get().look;

const embedder = new Embedder();
embedder.listen();

const engine = new Engine({
  base: window.location.origin,
  fetch: (url, init) => fetch(url, init),
  clock,
  opened: (m, config) => embedder.opened(m, config),
});

render(<Root engine={engine} clock={clock} prefs={prefs} />, document.getElementById("app")!);
steady(clock, () => new Worker(script(ticker), { type: "module" }));
addEventListener("online", () => engine.nudge());
addEventListener("offline", () => engine.cut());
document.addEventListener("visibilitychange", () => document.hidden || engine.nudge());
addEventListener("hashchange", () => {
  const more = takeCodes(window.location, window.history);
  if (more) void engine.signIn(more);
});

// The service worker fetches the shell once more to keep it: that waits until
// the list is there. Without a worker the app needs the network.
if ("serviceWorker" in navigator && import.meta.env.PROD) {
  const settled = engine.state.subscribe(() => {
    const { link, phase } = engine.state.get();
    if (link !== "live" && phase !== "signed-out") return;
    settled();
    navigator.serviceWorker.register(script("sw.js")).catch(() => {});
  });
}

void engine.run(codes);

function storage(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}
