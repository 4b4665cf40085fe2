// The service worker: keeps the app's own files, so that it opens without a
// network, and brings the app forward when a notification is clicked. It never
// touches what the servers say: no answer of theirs is kept here.

const cacheName = "koyomi-74260f9b299b695b";
const files = ["./","./assets/index-BQOdRMrK.js","./assets/index-Cwf-ZxQW.css","./assets/ticker-BBYM5s-i.js","./icon-192.png","./icon.svg","./manifest.webmanifest"];

self.addEventListener("install", (e) => {
  e.waitUntil(
    caches
      .open(cacheName)
      .then((c) => c.addAll(files.map((f) => new Request(f, { cache: "reload", credentials: "omit" }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (e) => {
  e.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((n) => n.startsWith("koyomi-") && n !== cacheName).map((n) => caches.delete(n))))
      .then(() => self.clients.claim()),
  );
});

// The page itself comes from the network when there is one, so that a new
// version is seen at once; everything it names has a name made from its
// contents and never changes.
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (e.request.mode === "navigate") {
    e.respondWith(fetch(e.request).catch(() => caches.match("./", { cacheName }).then((r) => r ?? Response.error())));
    return;
  }
  const scope = new URL("./", self.location.href).pathname;
  if (files.includes("./" + url.pathname.slice(scope.length))) {
    e.respondWith(caches.match(url.pathname, { cacheName }).then((r) => r ?? fetch(e.request)));
  }
});

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const { url } = e.notification.data ?? {};
  if (e.action === "join" && typeof url === "string" && url.startsWith("https://")) {
    e.waitUntil(self.clients.openWindow(url));
    return;
  }
  e.waitUntil(
    self.clients.matchAll({ type: "window", includeUncontrolled: true }).then((all) => {
      const open = all.find((c) => "focus" in c);
      return open ? open.focus() : self.clients.openWindow("./");
    }),
  );
});
