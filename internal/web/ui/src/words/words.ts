// Words in the person's language: texts, and times as that language writes
// them. Pure: language and time zone come from outside.

import { en, type Dictionary, type Key } from "./en";
import { ja } from "./ja";

export const languages = { en, ja } satisfies Record<string, Dictionary>;
export type Language = keyof typeof languages;

type Plural = { [K in Key]: K extends `${infer Stem}.other` ? (`${Stem}.one` extends Key ? Stem : never) : never }[Key];

// choose picks the first language of a list (such as navigator.languages) that
// there are words for, with the region the person uses for dates.
export function choose(wanted: readonly string[]): { language: Language; locale: string } {
  for (const locale of wanted) {
    const language = locale.toLowerCase().split("-")[0]!;
    if (language in languages) return { language: language as Language, locale };
  }
  return { language: "en", locale: "en" };
}

export class Words {
  private readonly formats = new Map<string, Intl.DateTimeFormat>();

  constructor(
    readonly language: Language,
    readonly locale: string,
    private readonly timeZone?: string, // default: the device's
  ) {}

  say(key: Key, values: Record<string, string | number> = {}): string {
    return languages[this.language][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
  }

  // count says how many, in the right number.
  count(stem: Plural, n: number): string {
    const one = new Intl.PluralRules(this.language).select(n) === "one";
    return this.say(`${stem}.${one ? "one" : "other"}` as Key, { n });
  }

  // span says how long, in minutes below a day: what a person plans with.
  span(ms: number): string {
    const minutes = Math.max(0, Math.floor(ms / 60_000));
    if (minutes === 0) return this.say("span.none");
    if (minutes < 60) return this.say("span.minutes", { n: minutes });
    const h = Math.floor(minutes / 60);
    const m = minutes % 60;
    if (h >= 24) return this.count("span.days", Math.round(h / 24));
    return m === 0 ? this.say("span.hours", { n: h }) : this.say("span.hoursMinutes", { h, m });
  }

  // until says how far a coming instant is: a started minute counts whole.
  until(ms: number): string {
    if (ms <= 0) return this.say("when.now");
    return this.say("when.in", { span: this.span(Math.ceil(ms / 60_000) * 60_000) });
  }

  time(t: number): string {
    return this.format({ hour: "numeric", minute: "2-digit" }).format(t);
  }

  range(from: number, to: number): string {
    if (this.day(from) !== this.day(to - 1)) {
      return this.format({ month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }).formatRange(from, to);
    }
    // The standard's own range in Japanese is "10時00分～11時00分", which no
    // calendar writes.
    if (this.language === "ja") return `${this.time(from)}〜${this.time(to)}`;
    return this.format({ hour: "numeric", minute: "2-digit" }).formatRange(from, to);
  }

  weekday(t: number, width: "long" | "short" | "narrow" = "long"): string {
    return this.format({ weekday: width }).format(t);
  }

  date(t: number): string {
    return this.format({ month: "long", day: "numeric" }).format(t);
  }

  fullDate(t: number): string {
    const weekday = this.language === "ja" ? "short" : "long"; // 11月24日(火)
    return this.format({ weekday, month: "long", day: "numeric" }).format(t);
  }

  month(t: number): string {
    return this.format({ month: "long", year: "numeric" }).format(t);
  }

  // stamp is a time of today, or a date and time of another day.
  stamp(t: number, now: number): string {
    return this.day(t) === this.day(now) ? this.time(t) : this.format({ month: "short", day: "numeric", hour: "numeric", minute: "2-digit" }).format(t);
  }

  zone(t: number): string {
    const parts = this.format({ timeZoneName: "short" }).formatToParts(t);
    return parts.find((p) => p.type === "timeZoneName")?.value ?? "";
  }

  // firstDay of the week in the person's region: 1 Monday to 7 Sunday.
  firstDay(): number {
    type Info = { firstDay: number };
    const l = new Intl.Locale(this.locale) as Intl.Locale & { getWeekInfo?(): Info; weekInfo?: Info };
    return (l.getWeekInfo?.() ?? l.weekInfo)?.firstDay ?? (this.language === "ja" ? 7 : 1);
  }

  private day(t: number): string {
    return this.format({ year: "numeric", month: "numeric", day: "numeric" }).format(t);
  }

  private format(o: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = JSON.stringify(o);
    let f = this.formats.get(key);
    if (!f) {
      f = new Intl.DateTimeFormat(this.locale, this.timeZone ? { ...o, timeZone: this.timeZone } : o);
      this.formats.set(key, f);
    }
    return f;
  }
}

// clock writes a countdown: minutes and seconds, or hours and minutes.
export function countdown(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const pad = (n: number) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(Math.floor((s % 3600) / 60))}:${pad(s % 60)}`;
}
