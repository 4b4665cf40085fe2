// The join block as people see it: the invitations that the renderer's own
// tests keep, in a mail program's light and dark window, on a desk and on a
// phone. What a machine can judge is judged here; the pictures in test-output
// are for the eye.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, pictures } from "./demo.mjs";

const mails = join(import.meta.dirname, "../../../render/testdata");

const names = readdirSync(mails)
  .filter((n) => /^mail\..*\.html$/.test(n))
  .map((n) => n.slice("mail.".length, -".html".length));

// Mail programs show mail on their own ground and give text and links their
// own colours where the mail gives none.
const grounds = {
  light: "background:#ffffff;color:#242424;--link:#0f6cbd;--line:#e0e0e0;--soft:#616161;--from:#c4d7ea",
  dark: "background:#1f1f1f;color:#ffffff;--link:#62abf5;--line:#3d3d3d;--soft:#adadad;--from:#33506b",
};

const screens = {
  desk: { viewport: { width: 820, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

const page = (mail, ground) => `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Invitation</title><style>
  html { ${ground}; font: 15px/1.4 "Segoe UI", Arial, "Noto Sans CJK JP", sans-serif }
  body { margin: 0; padding: 20px }
  a { color: var(--link) }
  header { display: flex; gap: 12px; border-bottom: 1px solid var(--line); padding-bottom: 14px; margin-bottom: 14px }
  header i { width: 40px; height: 40px; border-radius: 50%; background: var(--from); flex: none }
  header h1 { font-size: 18px; margin: 0 } header p { margin: 2px 0 0; color: var(--soft); font-size: 13px }
</style></head><body><header><i></i><div><h1>Q3 · 10:00–11:00</h1><p>Aya Tanaka → Ben Weber</p></div></header>
<main>${mail}</main></body></html>`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// contrast of every text of the block with the ground it stands on (WCAG 2.1).
function texts() {
  const light = (c) => {
    const [r, g, b] = c.match(/[\d.]+/g).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.documentElement).backgroundColor);
  return [...document.querySelectorAll("td[lang] :is(p, a, b)")].map((e) => {
    const style = getComputedStyle(e);
    const [a, b] = [ground, light(style.color)].sort((x, y) => y - x);
    return { text: e.textContent, contrast: (a + 0.05) / (b + 0.05), size: parseFloat(style.fontSize) };
  });
}

for (const name of names) {
  for (const [light, ground] of Object.entries(grounds)) {
    for (const [screen, size] of Object.entries(screens)) {
      test(`${name}, ${light}, ${screen}`, async () => {
        const o = await open(browser, { ...size, colorScheme: light });
        const mail = readFileSync(join(mails, `mail.${name}.html`), "utf8").replace(/<\/?(html|head|body|meta)[^>]*>/g, "");
        await o.page.setContent(page(mail, ground));
        const block = o.page.locator("td[lang][dir]").first();
        const seen = await o.page.evaluate(texts);
        assert.ok(seen.length >= 3);
        for (const s of seen) {
          assert.ok(s.size >= 11, `${s.text} is ${s.size} px high`);
          assert.ok(s.contrast >= 4.5, `${s.text} has a contrast of ${s.contrast.toFixed(2)}`);
        }
        for (const a of await block.locator("a").all()) {
          const [text, href] = [await a.innerText(), await a.getAttribute("href")];
          if (href.startsWith("https:")) assert.equal(text, href);
        }
        // Nothing is cut off or pushes the mail sideways, on no telephone.
        for (const width of [size.viewport.width, 320]) {
          await o.page.setViewportSize({ width, height: size.viewport.height });
          assert.ok(await o.page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `wider than ${width} px`);
        }
        await o.page.setViewportSize(size.viewport);
        await o.page.screenshot({ path: join(pictures, `block-${name}-${light}-${screen}.png`), fullPage: true });
        assert.deepEqual([o.complaints, o.foreign.filter((u) => !u.startsWith("data:"))], [[], []]);
        await o.context.close();
      });
    }
  }
}
