// What the server that hands out this app says about its surroundings.

export interface Config {
  kms: string; // origin of the key server
  authority: string;
  embedder: string; // origin of a page that shows this app and may hear what is opened; "": none
}

export function parseConfig(v: unknown): Config {
  const r = (typeof v === "object" && v !== null ? v : {}) as Record<string, unknown>;
  const text = (x: unknown) => (typeof x === "string" ? x : "");
  return {
    kms: text(r.kms).replace(/\/+$/, ""),
    authority: text(r.authority),
    embedder: text(r.embedder),
  };
}

// Codes are the two one-time codes of a sign-in link.
export interface Codes {
  kms: string;
  cloud: string;
}

// takeCodes reads the codes from the address and removes them from it, and so
// from the history, at once.
export function takeCodes(location: Location, history: History): Codes | undefined {
  const fragment = location.hash.slice(1);
  if (fragment === "") return undefined;
  history.replaceState(null, "", location.pathname + location.search);
  return parseCodes(fragment);
}

// parseCodes reads the fragment of a sign-in link: k=…&c=…
export function parseCodes(fragment: string): Codes | undefined {
  const q = new URLSearchParams(fragment.trim());
  const kms = q.get("k") ?? "";
  const cloud = q.get("c") ?? "";
  return kms && cloud ? { kms, cloud } : undefined;
}
