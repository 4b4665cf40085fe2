// System notifications: only when a person asked for them, and only while
// nobody looks at the app. They are shown through the service worker, so that
// a click on them finds the app again.

import type { Meeting } from "../calendar/meeting";
import type { Words } from "../words/words";
import { primary } from "./provider";

export type Permission = "granted" | "denied" | "default" | "none";

// permission is "none" where there is nothing to ask for: an embedded page, or
// a browser without notifications or without a worker.
export function permission(): Permission {
  if (!("Notification" in window) || !("serviceWorker" in navigator) || window.parent !== window) return "none";
  return Notification.permission;
}

// ask must be called from a click.
export async function ask(): Promise<Permission> {
  await Notification.requestPermission();
  return permission();
}

// What is asked of the system is done in the order in which it was asked: a
// notification that is still being shown must not outlive its withdrawal.
let last: Promise<void> = Promise.resolve();

function inOrder(step: () => Promise<void>): Promise<void> {
  last = last.then(step, step);
  return last;
}

export function announce(m: Meeting, words: Words): Promise<void> {
  return inOrder(() => show(m, words));
}

export function withdraw(m: Meeting): Promise<void> {
  return inOrder(() => take(m));
}

async function show(m: Meeting, words: Words): Promise<void> {
  if (permission() !== "granted" || document.hasFocus()) return;
  const worker = await navigator.serviceWorker.getRegistration();
  const url = primary(m)?.url ?? "";
  const options: NotificationOptions & { actions?: object[]; timestamp?: number } = {
    body: words.range(m.start, m.end),
    tag: m.id,
    icon: "icon-192.png",
    lang: words.language,
    requireInteraction: true,
    timestamp: m.start,
    data: { url, id: m.id },
    actions: url ? [{ action: "join", title: words.say("notify.join") }] : [],
  };
  await worker?.showNotification(m.subject || words.say("popup.title"), options);
}

async function take(m: Meeting): Promise<void> {
  if (permission() !== "granted") return;
  const worker = await navigator.serviceWorker.getRegistration();
  for (const n of (await worker?.getNotifications({ tag: m.id })) ?? []) n.close();
}
