// A person's settings on this device. They say nothing about meetings, so they
// lie in localStorage, where they can be read before the first drawing.

import { languages, type Language } from "../words/words";

export interface Prefs {
  language: Language | "auto";
  look: "auto" | "light" | "dark";
  offerLater: boolean; // the offer of notifications was put off
}

const name = "koyomi.prefs";

export function loadPrefs(storage: Pick<Storage, "getItem"> | undefined): Prefs {
  let v: Record<string, unknown> = {};
  try {
    v = Object(JSON.parse(storage?.getItem(name) ?? "{}"));
  } catch {
    // unreadable: as if there were none
  }
  return {
    language: typeof v.language === "string" && v.language in languages ? (v.language as Language) : "auto",
    look: v.look === "light" || v.look === "dark" ? v.look : "auto",
    offerLater: v.offerLater === true,
  };
}

export function savePrefs(storage: Pick<Storage, "setItem"> | undefined, p: Prefs): void {
  try {
    storage?.setItem(name, JSON.stringify(p));
  } catch {
    // no storage: the setting lasts as long as the page
  }
}
