// The app's one clock. Everything that shows or waits for a time hears its
// ticks, so a test that moves the page's Date moves the whole app.

export class Clock {
  private readonly listeners = new Set<(now: number) => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly now: () => number = () => Date.now()) {}

  // listen calls f about every second and returns how to stop that.
  listen(f: (now: number) => void): () => void {
    this.listeners.add(f);
    if (this.timer === undefined) this.arm();
    return () => {
      this.listeners.delete(f);
      if (this.listeners.size === 0) {
        clearTimeout(this.timer);
        this.timer = undefined;
      }
    };
  }

  // tick tells everybody the time. It is also called from outside, when a tab
  // comes back or a background timer fires.
  tick(): void {
    const now = this.now();
    for (const f of [...this.listeners]) f(now);
  }

  private arm(): void {
    this.timer = setTimeout(
      () => {
        this.arm();
        this.tick();
      },
      1000 - (this.now() % 1000),
    );
  }
}

// steady ticks a clock in a hidden tab too: browsers slow the timers of hidden
// pages to one a minute, but not those of a worker.
export function steady(clock: Clock, worker: () => Worker): void {
  let running: Worker | undefined;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && !running) {
      try {
        running = worker();
        running.onmessage = () => clock.tick();
      } catch {
        running = undefined; // without a worker the pop-up may come a minute late
      }
    } else if (!document.hidden) {
      running?.terminate();
      running = undefined;
      clock.tick();
    }
  });
}
