import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { en, type Key } from "./en";
import { choose, countdown, languages, Words } from "./words";

const placeholders = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe.each(Object.entries(languages))("language %s", (_, words) => {
  test("has the same keys in the same order", () => {
    expect(Object.keys(words)).toEqual(Object.keys(en));
  });

  test.each(Object.keys(en) as Key[])("%s has a text with the same placeholders", (key) => {
    const one = key.endsWith(".one"); // may leave the number out
    expect(words[key].trim()).not.toBe("");
    if (!one) expect(placeholders(words[key])).toEqual(placeholders(en[key]));
  });
});

// A text that nothing says is one that nobody looks after.
test("every text is said somewhere", () => {
  const app = join(import.meta.dirname, "../app");
  const files = [...readdirSync(app).map((f) => join(app, f)), join(import.meta.dirname, "words.ts")];
  const source = files.map((f) => readFileSync(f, "utf8")).join("\n");
  const built = [...source.matchAll(/`([a-z]+(?:\.[a-z]+)*\.)\$\{/g), ...source.matchAll(/count\("([\w.]+)"/g)].map((m) => m[1]!);
  const unsaid = (Object.keys(en) as Key[]).filter((k) => !source.includes(`"${k}"`) && !built.some((b) => k.startsWith(b)));
  expect(unsaid.filter((k) => !/^trouble\.(cloud|kms)\./.test(k))).toEqual([]);
});

test("choice of language", () => {
  expect(choose(["ja-JP", "en"])).toEqual({ language: "ja", locale: "ja-JP" });
  expect(choose(["fr-FR", "en-GB"])).toEqual({ language: "en", locale: "en-GB" });
  expect(choose(["fr"])).toEqual({ language: "en", locale: "en" });
  expect(choose([])).toEqual({ language: "en", locale: "en" });
});

describe("times", () => {
  const e = new Words("en", "en-GB", "Asia/Tokyo");
  const us = new Words("en", "en-US", "Asia/Tokyo");
  const j = new Words("ja", "ja-JP", "Asia/Tokyo");
  const t = Date.UTC(2026, 10, 24, 1, 5); // 10:05 in Tokyo
  const m = 60_000;

  test("ranges", () => {
    expect(e.range(t, t + 45 * m)).toBe("10:05–10:50");
    expect(us.range(t, t + 45 * m).replace(/\s/g, " ")).toBe("10:05 – 10:50 AM");
    expect(j.range(t, t + 45 * m)).toBe("10:05〜10:50");
    expect(e.range(t, t + 24 * 60 * m)).toContain("25 Nov");
    expect(j.fullDate(t)).toBe("11月24日(火)");
  });

  test.each([
    [0, "less than a minute", "1分未満"],
    [m, "1 min", "1分"],
    [59 * m, "59 min", "59分"],
    [60 * m, "1 h", "1時間"],
    [95 * m, "1 h 35 min", "1時間35分"],
    [24 * 60 * m, "1 day", "1日"],
    [50 * 60 * m, "2 days", "2日"],
  ])("a span of %i ms", (ms, inEnglish, inJapanese) => {
    expect(e.span(ms)).toBe(inEnglish);
    expect(j.span(ms)).toBe(inJapanese);
  });

  test("a started minute counts whole", () => {
    expect(e.until(m + 1)).toBe("in 2 min");
    expect(j.until(5 * m)).toBe("5分後");
    expect(e.until(0)).toBe("now");
  });

  test("numbers", () => {
    expect(e.count("day.count", 1)).toBe("1 meeting");
    expect(e.count("day.count", 3)).toBe("3 meetings");
    expect(j.count("day.count", 1)).toBe("会議 1件");
  });

  test("a stamp of another day names the day", () => {
    expect(e.stamp(t, t + m)).toBe("10:05");
    expect(e.stamp(t, t + 24 * 60 * m)).toContain("24 Nov");
  });

  test("the week begins as people expect", () => {
    expect(j.firstDay()).toBe(7);
    expect(e.firstDay()).toBe(1);
  });

  test.each([
    [299_000, "4:59"],
    [298_001, "4:59"],
    [5_000, "0:05"],
    [0, "0:00"],
    [-5, "0:00"],
    [3_725_000, "1:02:05"],
  ])("countdown of %i ms", (ms, want) => {
    expect(countdown(ms)).toBe(want);
  });
});
