// Runs the real program for the browser tests: `koyomi demo` on free ports of
// loopback, and Chromium beside it. Nothing is mocked but the meeting services'
// own pages, which lie outside.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const root = join(import.meta.dirname, "../../../..");
export const pictures = join(root, "test-output");

const browsers = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const flags = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), // Chromium's sandbox refuses root
];

export async function launch() {
  const executablePath = browsers.find((b) => b && existsSync(b));
  if (!executablePath) throw new Error("no Chromium found: install the package chromium, or set CHROMIUM to its path");
  mkdirSync(pictures, { recursive: true });
  return chromium.launch({ executablePath, args: flags });
}

// start builds the program (or takes KOYOMI), runs the demo and waits until
// its page answers.
export async function start({ data } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "koyomi-e2e-"));
  const binary = process.env.KOYOMI ?? join(dir, "koyomi");
  if (!process.env.KOYOMI) execFileSync("go", ["build", "-o", binary, "./cmd/koyomi"], { cwd: root, stdio: "inherit" });
  const port = await freePorts(4);
  const out = [];
  const child = spawn(binary, ["demo", "--listen", `127.0.0.1:${port}`, "--data", data ?? join(dir, "data")], { cwd: root });
  for (const s of [child.stdout, child.stderr]) s.on("data", (d) => out.push(String(d)));
  const ended = new Promise((done) => child.on("exit", done));
  const origin = (n) => `http://127.0.0.1:${port + n}`;
  const demo = {
    app: origin(0),
    kms: origin(1),
    page: origin(3),
    log: () => out.join(""),
    async api(method, path, body) {
      const res = await fetch(demo.page + path, {
        method,
        headers: { Origin: demo.page, ...(body ? { "Content-Type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const v = await res.json();
      if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${JSON.stringify(v)}`);
      return v;
    },
    link: async () => (await demo.api("GET", "/api/state")).appLink,
    // create saves a meeting with one guest as a calendar program would,
    // `inMinutes` from now.
    async create(subject, inMinutes, change = {}) {
      const { users, me } = await demo.api("GET", "/api/state");
      const guest = users.find((u) => u.address !== me.address);
      const from = Date.now() + inMinutes * 60_000;
      const { minutes = 30, ...rest } = change;
      return demo.api("POST", "/api/events", {
        subject,
        start: new Date(from).toISOString(),
        end: new Date(from + minutes * 60_000).toISOString(),
        location: "@meet",
        body: "",
        attendees: [guest.address],
        ...rest,
      });
    },
    // remove cancels a meeting. Cancelling is for meetings with guests; what
    // has none moves to another week.
    async remove(e) {
      const path = "/api/events/" + encodeURIComponent(e.id);
      if (!e.mine || e.attendees.length > 0) return demo.api("DELETE", path);
      const later = (t) => new Date(Date.parse(t) + 7 * 86_400_000).toISOString();
      return demo.api("PATCH", path, { start: later(e.start), end: later(e.end) });
    },
    // clear takes away what would pop up while a test looks at something else:
    // meetings from an hour ago to eight hours ahead.
    async clear() {
      const now = Date.now();
      const day = new Date(now - 86_400_000).toISOString().slice(0, 10);
      const { events } = await demo.api("GET", `/api/events?day=${day}&days=3`);
      for (const e of events) {
        if (Date.parse(e.end) < now - 3_600_000 || Date.parse(e.start) > now + 8 * 3_600_000) continue;
        await demo.remove(e);
      }
    },
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
  for (let i = 0; ; i++) {
    try {
      await demo.api("GET", "/api/state");
      return demo;
    } catch (e) {
      if (child.exitCode !== null || i > 300) throw new Error(`the demo does not answer: ${e.message}\n${demo.log()}`);
      await new Promise((r) => setTimeout(r, 100));
    }
  }
}

// freePorts finds n free ports in a row.
async function freePorts(n) {
  for (let tries = 0; tries < 50; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all(Array.from({ length: n }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error("no free ports on loopback");
}

function isFree(port) {
  return new Promise((done) => {
    const s = createServer()
      .once("error", () => done(false))
      .listen(port, "127.0.0.1", () => s.close(() => done(true)));
  });
}

// open gives a fresh browser profile with one page. What the browser complains
// of is collected: a strict policy that blocks something shows here.
export async function open(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: morning(),
    colorScheme: "light",
    ...options,
  });
  const complaints = [];
  const foreign = [];
  const watch = (page) => {
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
    page.on("pageerror", (e) => complaints.push(e.message));
  };
  context.on("page", watch);
  context.on("request", (r) => !r.url().startsWith("http://127.0.0.1:") && foreign.push(r.url()));
  // The meeting services lie outside; their page is an empty one of ours.
  await context.route(/^https:/, (route) => route.fulfill({ contentType: "text/html", body: "<title>meeting</title>" }));
  const page = await context.newPage();
  return { context, page, complaints, foreign };
}

// morning is a time zone in which it is now between ten and eleven, so that a
// test's day has the same shape whenever it runs. (Etc/GMT+5 is west of
// Greenwich.)
function morning() {
  const west = new Date().getUTCHours() - 10; // -10 to 13
  const hours = west > 12 ? west - 24 : west;
  return hours === 0 ? "Etc/GMT" : `Etc/GMT${hours > 0 ? "+" : ""}${hours}`;
}

// signIn opens the app by a fresh link and waits until the list is live.
export async function signIn(demo, page) {
  await page.goto(await demo.link());
  await page.locator(".link.live").waitFor();
}

export async function picture(page, name) {
  await page.waitForTimeout(600); // for the eye only: let motion come to rest
  await page.screenshot({ path: join(pictures, name + ".png") });
}
