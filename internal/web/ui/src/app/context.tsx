// What every view needs: the engine, the words, the clock.

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Clock } from "../time/clock";
import type { Words } from "../words/words";
import type { Engine } from "./engine";
import type { Prefs } from "./prefs";
import type { State, Store } from "./state";

export interface Surroundings {
  engine: Engine;
  clock: Clock;
  words: Words;
  prefs: Store<Prefs>;
}

export const Context = createContext<Surroundings>(null!);

export function useSurroundings(): Surroundings {
  return useContext(Context);
}

export function useStore<T>(store: Store<T>): T {
  const [value, set] = useState(store.get());
  useEffect(() => {
    set(store.get()); // it may have changed between drawing and now
    return store.subscribe(() => set(store.get()));
  }, [store]);
  return value;
}

export function useEngine(): State {
  return useStore(useSurroundings().engine.state);
}

// useNow is the time, drawn anew when it enters another step (milliseconds).
export function useNow(step: number): number {
  const { clock } = useSurroundings();
  const [now, set] = useState(clock.now());
  useEffect(
    () => clock.listen((t) => set((old) => (Math.floor(t / step) === Math.floor(old / step) && t >= old ? old : t))),
    [clock, step],
  );
  return now;
}
