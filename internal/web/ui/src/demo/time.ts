// Days and form fields: local time in, local time out.

export function pad(n: number): string {
  return String(n).padStart(2, "0");
}

export function dayOf(t: number): string {
  const d = new Date(t);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

export function startOf(day: string): number {
  const [y, m, d] = day.split("-").map(Number) as [number, number, number];
  return new Date(y, m - 1, d).getTime();
}

export function shift(day: string, days: number): string {
  const d = new Date(startOf(day));
  return dayOf(new Date(d.getFullYear(), d.getMonth(), d.getDate() + days).getTime());
}

// fieldOf writes a time as a field of type datetime-local has it.
export function fieldOf(t: number): string {
  const d = new Date(t);
  return `${dayOf(t)}T${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

// soon is the next full five minutes: never further than Join comes before.
export function soon(now: number): number {
  const step = 5 * 60_000;
  return Math.ceil(now / step) * step;
}
