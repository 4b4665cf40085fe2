// The people's app in Chromium against the real roles.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { launch, open, picture, signIn, start } from "./demo.mjs";

let browser;
let demo;
let guests; // the other people of the demo

before(async () => {
  [browser, demo] = await Promise.all([launch(), start()]);
  const { users, me } = await demo.api("GET", "/api/state");
  guests = users.filter((u) => u.address !== me.address);
});

beforeEach(() => demo.clear());

after(async () => {
  await browser?.close();
  await demo?.stop();
});

// withPage runs a test in a fresh browser profile, and demands at its end that
// the browser had nothing to complain of and asked nobody but us.
async function withPage(options, f) {
  const o = await open(browser, options);
  try {
    await f(o.page, o);
    assert.deepEqual(o.complaints.filter((c) => !(options.expected ?? []).some((e) => e.test(c))), []);
    assert.deepEqual(o.foreign.filter((u) => !(options.outside ?? []).some((e) => e.test(u))), []);
  } finally {
    await o.context.close();
  }
}

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const axe = readFileSync(join(import.meta.dirname, "../node_modules/axe-core/axe.min.js"), "utf8");

// audit runs axe in a world of its own, where the page's policy does not
// bind it.
async function audit(page) {
  // half faded in, a text does not have its colours yet; the picture makes a
  // frame, with which whatever fades in begins to
  await page.screenshot();
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((a) => a.effect.getComputedTiming().endTime !== Infinity)
        .map((a) => a.finished.catch(() => {})),
    ),
  );
  const cdp = await page.context().newCDPSession(page);
  const { frameTree } = await cdp.send("Page.getFrameTree");
  const { executionContextId } = await cdp.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  await cdp.send("Runtime.evaluate", { expression: axe, contextId: executionContextId });
  const { result } = await cdp.send("Runtime.evaluate", {
    expression: `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v => [v.id, v.nodes.map(n => n.target + " " + n.failureSummary)])}))`,
    contextId: executionContextId,
    awaitPromise: true,
    returnByValue: true,
  });
  const { passes, violations } = JSON.parse(result.value);
  assert.ok(passes > 10, "axe looked at the page");
  assert.deepEqual(violations, []);
}

// eventually tries until it holds; it gives up after half a minute.
async function eventually(f) {
  for (let tries = 0; ; tries++) {
    try {
      return await f();
    } catch (e) {
      if (tries > 150) throw e;
      await new Promise((r) => setTimeout(r, 200));
    }
  }
}

const row = (page, subject) => page.locator(".row", { hasText: subject });

describe("signing in", () => {
  test("the codes leave the address at once, and work once", async () => {
    const link = await demo.link();
    await withPage({}, async (page) => {
      await page.goto(link);
      await page.locator(".link.live").waitFor();
      assert.equal(page.url(), demo.app + "/");
      const codes = new URLSearchParams(new URL(link).hash.slice(1));
      const kept = await page.evaluate(() => JSON.stringify([history.state, { ...localStorage }, { ...sessionStorage }]));
      for (const name of ["k", "c"]) {
        assert.ok(codes.get(name).length >= 20, "a code of at least 128 bits");
        assert.ok(!kept.includes(codes.get(name)));
      }
      await page.goBack().catch(() => {});
      assert.ok(!page.url().includes("#"));
    });
    await withPage({ expected: [/403/] }, async (page) => {
      await page.goto(link);
      await page.getByRole("alert").getByText("has been used or is too old").waitFor();
      await picture(page, "link-used");
    });
  });

  test("without a link the page says how to get in; a pasted link does it", async () => {
    await withPage({}, async (page) => {
      await page.goto(demo.app);
      await page.getByRole("heading", { name: "for your eyes only" }).waitFor();
      await picture(page, "signed-out");
      await page.getByLabel("Paste your sign-in link").fill("https://example.com/");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("not a sign-in link").waitFor();
      await page.getByLabel("Paste your sign-in link").fill(await demo.link());
      await page.keyboard.press("Enter");
      await page.locator(".link.live").waitFor();
    });
  });

  test("no key can be taken out of the browser, and nothing is kept in clear", async () => {
    await demo.create("Canary subject", 200, { location: "Canary place @meet" });
    await withPage({}, async (page) => {
      await signIn(demo, page);
      await row(page, "Canary subject").waitFor();
      const found = await page.evaluate(async () => {
        const db = await new Promise((ok, no) => Object.assign(indexedDB.open("koyomi"), { onsuccess: (e) => ok(e.target.result), onerror: no }));
        const all = (s) => new Promise((ok) => Object.assign(db.transaction(s).objectStore(s).getAll(), { onsuccess: (e) => ok(e.target.result) }));
        const [facts, keys, parts] = [await all("facts"), await all("keys"), await all("parts")];
        const session = facts.find((f) => f?.key instanceof CryptoKey);
        return {
          extractable: [session.key, ...keys.map((k) => k.key)].map((k) => k.extractable),
          text: JSON.stringify([facts, keys, parts]),
          parts: parts.length,
        };
      });
      assert.ok(found.extractable.length >= 3);
      assert.ok(found.extractable.every((x) => x === false));
      assert.ok(found.parts > 4);
      assert.doesNotMatch(found.text, /canary/i);
    });
  });

  test("signing out leaves nothing behind", async () => {
    await withPage({}, async (page) => {
      await signIn(demo, page);
      await page.locator(".row").first().waitFor();
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "for your eyes only" }).waitFor();
      await page.reload();
      await page.getByRole("heading", { name: "for your eyes only" }).waitFor();
    });
  });
});

describe("the list", () => {
  test("a meeting appears without reload, with its Join, and leaves when it is cancelled", async () => {
    await withPage({}, async (page) => {
      await signIn(demo, page);
      const ev = await demo.create("Appears by itself", 3);
      await row(page, "Appears by itself").waitFor();
      const join = row(page, "Appears by itself").getByRole("link", { name: "Join" });
      await page.getByRole("alertdialog").waitFor();
      await page.keyboard.press("Escape");
      await join.waitFor();
      assert.match(await join.getAttribute("href"), /^https:\/\//);
      assert.equal(await join.getAttribute("rel"), "noopener noreferrer");
      await demo.remove(ev);
      await row(page, "Appears by itself").waitFor({ state: "detached" });
    });
  });

  test("what strangers write stays text", async () => {
    const evil = `<img src=x onerror="document.title='owned'">`;
    const notes = `<b>bold</b> <script>document.title='owned'</script> javascript:alert(1) https://wiki.example.com/page.`;
    const ev = await demo.create("Evil " + evil, 240, { location: evil, body: notes });
    await withPage({}, async (page) => {
      await signIn(demo, page);
      await row(page, evil).waitFor();
      await row(page, evil).getByRole("button", { name: /Details of Evil/ }).click();
      const details = page.getByRole("dialog");
      await details.getByText("<b>bold</b>").waitFor();
      assert.equal(await page.title(), "Koyomi");
      assert.equal(await page.locator("img").count(), 0);
      const links = await details.locator(".notes a").evaluateAll((as) => as.map((a) => a.href));
      assert.ok(links.includes("https://wiki.example.com/page"));
      assert.ok(links.every((l) => l.startsWith("https:")));
    });
    await demo.remove(ev);
  });

  test("details by keyboard: people with their answers, and back", async () => {
    await demo.create("By keyboard", 300, { body: "First the numbers." });
    await withPage({}, async (page) => {
      await signIn(demo, page);
      await row(page, "By keyboard").waitFor();
      await row(page, "By keyboard").locator("button.open").focus();
      await page.keyboard.press("Enter");
      const details = page.getByRole("dialog");
      await details.getByText("First the numbers.").waitFor();
      await details.getByText(guests[0].name).waitFor();
      await details.getByText("Organizer").waitFor();
      await picture(page, "details");
      await page.keyboard.press("Escape");
      await details.waitFor({ state: "detached" });
      assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), /By keyboard/);
      await page.keyboard.press("ArrowUp");
      assert.doesNotMatch(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? ""), /By keyboard/);
    });
  });
});

describe("the pop-up", () => {
  // at makes a meeting an hour away and stops the page's clock some seconds
  // before its start; from then on time passes only when the test says so.
  async function at(page, subject, seconds) {
    const ev = await demo.create(subject, 60);
    await page.clock.install();
    await signIn(demo, page);
    await row(page, subject).getByText("Jitsi").waitFor(); // its join details are there
    await page.clock.pauseAt(Date.parse(ev.start) - seconds * 1000);
  }

  test("comes at five minutes, by the clock; Enter joins and lands on the address", async () => {
    await withPage({ outside: [/^https:/] }, async (page, { context }) => {
      await at(page, "Pops up", 302);
      await page.clock.runFor(1000);
      assert.equal(await page.getByRole("alertdialog").count(), 0, "more than five minutes before is too early");
      await page.clock.runFor(2000);
      const popup = page.getByRole("alertdialog");
      await popup.getByRole("heading", { name: "Pops up" }).waitFor();
      assert.match(await popup.getByRole("timer").innerText(), /^(5:00|4:59)$/);
      await page.clock.runFor(20_000);
      assert.match(await popup.getByRole("timer").innerText(), /^4:[34]\d$/);
      assert.match(await page.title(), /^● in 5 min/);
      await picture(page, "popup");
      const opened = context.waitForEvent("page");
      await page.keyboard.press("Enter");
      const meeting = await opened;
      await meeting.waitForLoadState();
      assert.match(meeting.url(), /^https:\/\//);
      assert.equal(await meeting.title(), "meeting");
      assert.equal(await meeting.evaluate(() => window.opener), null);
      assert.equal(await meeting.evaluate(() => document.referrer), "");
      await popup.waitFor({ state: "detached" });
    });
  });

  // dismissals counts, in the page, what the browser keeps of them.
  const dismissals = async () => {
    const db = await new Promise((ok, no) => Object.assign(indexedDB.open("koyomi"), { onsuccess: (e) => ok(e.target.result), onerror: no }));
    const marks = await new Promise((ok) => Object.assign(db.transaction("facts").objectStore("facts").get("marks"), { onsuccess: (e) => ok(e.target.result) }));
    db.close();
    return Object.values(marks ?? {}).filter((m) => m.until === Infinity).length;
  };

  test("snoozed it comes back; dismissed it does not, not even after a reload", async () => {
    await withPage({}, async (page) => {
      await at(page, "Snoozed", 240);
      await page.clock.runFor(2000);
      const popup = page.getByRole("alertdialog");
      await popup.waitFor();
      await page.keyboard.press("s");
      await popup.waitFor({ state: "detached" });
      await page.clock.runFor(55_000);
      assert.equal(await popup.count(), 0);
      await page.clock.runFor(8000);
      await popup.waitFor();
      await page.keyboard.press("Escape");
      await popup.waitFor({ state: "detached" });
      await eventually(async () => assert.ok(await page.evaluate(dismissals), "the dismissal is kept"));
      await page.reload();
      await page.clock.resume(); // a new page draws only as time passes
      await row(page, "Snoozed").getByRole("link", { name: "Join" }).waitFor();
      await page.locator(".link.live").waitFor();
      assert.equal(await popup.count(), 0);
    });
  });

  test("the system tells it too, when allowed and nobody looks", async () => {
    await withPage({ permissions: ["notifications"] }, async (page) => {
      await page.addInitScript(() => void (document.hasFocus = () => false));
      await page.goto(demo.app);
      await page.evaluate(() => navigator.serviceWorker.ready);
      await at(page, "Told by the system", 240);
      await page.clock.runFor(2000);
      await page.getByRole("alertdialog").waitFor();
      const notifications = (n) =>
        eventually(async () => {
          const all = await page.evaluate(async () => {
            const worker = await navigator.serviceWorker.ready;
            const all = (await worker.getNotifications()).map((n) => [n.title, n.data.url, n.actions.map((a) => a.action)]);
            return all.filter((n) => n[0] === "Told by the system"); // meetings of other tests may be due as well
          });
          assert.equal(all.length, n);
          return all;
        });
      const told = await notifications(1);
      assert.equal(told[0][0], "Told by the system");
      assert.match(told[0][1], /^https:/);
      assert.deepEqual(told[0][2], ["join"]);
      await page.keyboard.press("Escape");
      await page.getByRole("alertdialog").waitFor({ state: "detached" });
      await notifications(0);
    });
  });

  test("in Japanese, dark, on a phone", async () => {
    await withPage({ locale: "ja-JP", colorScheme: "dark", ...phone }, async (page) => {
      await at(page, "四半期計画会議（大阪チーム）", 200);
      await page.clock.runFor(2000);
      await page.getByRole("alertdialog").getByRole("link", { name: "参加" }).waitFor();
      await audit(page);
      await picture(page, "popup-phone-dark-japanese");
    });
  });
});

describe("offline", () => {
  test("the app opens without a network, shows the list and since when, and comes back", async () => {
    await demo.create("Kept for offline", 260);
    await withPage({ expected: [/ERR_INTERNET_DISCONNECTED/] }, async (page, { context }) => {
      await signIn(demo, page);
      await row(page, "Kept for offline").waitFor();
      await page.evaluate(() => navigator.serviceWorker.ready);
      await context.setOffline(true);
      await page.reload();
      await row(page, "Kept for offline").waitFor();
      await page.locator(".link.offline").getByText(/as of \d/).waitFor();
      await page.getByRole("alert").getByText("You are offline").waitFor();
      await row(page, "Kept for offline").getByRole("button").click();
      await page.getByRole("dialog").getByRole("heading", { name: "Agenda" }).waitFor();
      await picture(page, "offline");
      await context.setOffline(false);
      await page.locator(".link.live").waitFor({ timeout: 60_000 });
      assert.equal(await page.getByRole("alert").count(), 0);
    });
  });
});

describe("faces", () => {
  for (const [name, options, word] of [
    ["light", {}, "Today"],
    ["dark", { colorScheme: "dark" }, "Today"],
    ["phone", phone, "Today"],
    ["phone-dark", { ...phone, colorScheme: "dark" }, "Today"],
    ["japanese", { locale: "ja-JP" }, "今日"],
    ["200-percent", { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 }, "Today"],
    ["reduced-motion", { reducedMotion: "reduce" }, "Today"],
  ]) {
    test(`${name}: whole, without a finding, nothing wider than the screen`, async () => {
      const running = await demo.create("Design review: spring release", -20, { minutes: 45 });
      await demo.create("四半期計画会議（大阪チーム）", 100, { attendees: guests.map((g) => g.address), body: "1. Where we stand\n2. Decisions: https://wiki.example.com/q4" });
      await withPage(options, async (page) => {
        await signIn(demo, page);
        await row(page, running.subject).getByRole("link").waitFor();
        await page.getByText(word, { exact: true }).first().waitFor();
        await page.locator(".row").first().waitFor();
        await audit(page);
        await picture(page, name);
        await row(page, "四半期計画会議").locator("button.open").click();
        await page.getByRole("dialog").getByRole("heading").first().waitFor();
        await audit(page);
        await picture(page, name + "-details");
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0);
      });
    });
  }

  test("language and appearance are switched in the settings and remembered", async () => {
    await withPage({}, async (page) => {
      await signIn(demo, page);
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByLabel("日本語").check();
      await page.getByText("今日", { exact: true }).waitFor();
      await page.getByLabel("ダーク").check();
      await picture(page, "menu");
      await page.reload();
      await page.getByText("今日", { exact: true }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), "ja");
      assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
    });
  });

  test("notifications are asked for by a click only", async () => {
    await withPage({}, async (page) => {
      await page.addInitScript(() => {
        window.asked = 0;
        Notification.requestPermission = async () => (window.asked++, "default");
        Object.defineProperty(Notification, "permission", { get: () => "default" });
      });
      await signIn(demo, page);
      await page.getByText("Be told five minutes before").waitFor();
      assert.equal(await page.evaluate(() => window.asked), 0);
      await page.getByRole("button", { name: "Turn on notifications" }).first().click();
      assert.equal(await page.evaluate(() => window.asked), 1);
    });
  });
});
