// The demo's page: a newcomer saves a meeting and sees what happens.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, picture, start } from "./demo.mjs";

let browser;
let demo;

before(async () => {
  [browser, demo] = await Promise.all([launch(), start()]);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const size = { width: 1600, height: 950 };

test("@meet in the location: block in the invitation, sealed, opened in the app", async (t) => {
  const { page, context, complaints, foreign } = await open(browser, { viewport: size });
  await page.goto(demo.page);
  const app = page.frameLocator("iframe.app");
  await app.locator(".link.live").waitFor();
  await picture(page, "demo-form");
  await page.getByLabel("Subject").fill("Made in the demo");
  await page.getByRole("button", { name: "Save to Exchange" }).click();
  await page.locator(".step.done").nth(3).waitFor();
  const seconds = (await page.locator(".step small").allInnerTexts()).map(parseFloat);
  assert.equal(seconds.length, 4);
  assert.ok(seconds.every((s) => s > 0));
  t.diagnostic(`saved, written, sealed, opened after ${seconds.join(", ")} s`);
  const added = page.locator(".added");
  await added.waitFor();
  assert.match(await added.innerText(), /https:\/\//);
  await app.locator(".row", { hasText: "Made in the demo" }).waitFor();
  const cloud = await page.locator(".cloud code").innerText();
  assert.match(cloud, /^eyJ[\w.-]+…$/);
  await picture(page, "demo");
  assert.deepEqual([complaints, foreign], [[], []]);
  await context.close();
});

test("a pasted Zoom invitation needs no keyword", async () => {
  const { page, context, complaints } = await open(browser, { viewport: size, locale: "ja-JP", colorScheme: "dark" });
  await page.goto(demo.page);
  const app = page.frameLocator("iframe.app");
  await app.locator(".link.live").waitFor();
  await page.getByLabel("件名").fill("Zoomの会議");
  await page.getByRole("button", { name: "Zoomの招待文を貼り付ける" }).click();
  await page.getByRole("button", { name: "Exchangeに保存" }).click();
  await page.locator(".step.done").nth(3).waitFor();
  const card = app.locator(".card", { hasText: "Zoomの会議" });
  await card.waitFor();
  assert.match(await card.getByRole("link").getAttribute("href"), /^https:\/\/example\.zoom\.us\/j\/86712345678\?pwd=/);
  await picture(page, "demo-dark-japanese");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a meeting is deleted again", async () => {
  await demo.create("To be deleted", 90);
  const { page, context, complaints } = await open(browser, { viewport: size });
  await page.goto(demo.page);
  await page.locator(".block", { hasText: "To be deleted" }).click();
  await page.getByRole("button", { name: "Delete meeting" }).click();
  await page.locator(".block", { hasText: "To be deleted" }).waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await context.close();
});
