import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

// Two bundles from one tree, because two servers hand them out: the people's
// app goes to everybody, the demo's page only to `koyomi demo`. Each is built
// with `vite build --mode app|demo` into a folder of its own under
// internal/web/dist, which is committed: a fresh clone needs no Node.
export default defineConfig(({ mode }) => {
  const page = mode === "demo" ? "demo" : "app";
  return {
    root: join(import.meta.dirname, page),
    publicDir: join(import.meta.dirname, page, "public"),
    base: "./",
    build: {
      outDir: join(import.meta.dirname, "../dist", page),
      emptyOutDir: true,
      target: "es2022",
      cssTarget: "chrome123", // light-dark() stays as it is written
      assetsDir: "assets",
      assetsInlineLimit: 0, // the policy allows no data: address
      modulePreload: { polyfill: false },
      sourcemap: false,
      reportCompressedSize: true,
    },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    plugins: page === "app" ? [worker(join(import.meta.dirname, "../dist/app"))] : [],
    test: { root: import.meta.dirname, include: ["src/**/*.test.ts"], environment: "node" },
  };
});

// worker completes the service worker with the list of files that make up the
// shell and a version made from their contents, so that a browser takes a new
// shell exactly when a byte of it changed.
function worker(out: string): Plugin {
  return {
    name: "koyomi-service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const hash = createHash("sha256");
      const files = new Set<string>(["./"]);
      for (const name of Object.keys(bundle).sort()) {
        const part = bundle[name]!;
        hash.update(name).update(part.type === "chunk" ? part.code : part.source);
        if (name !== "index.html") files.add("./" + name);
      }
      const pub = join(out, "../../ui/app/public");
      for (const name of readdirSync(pub).sort()) {
        const data = readFileSync(join(pub, name));
        hash.update(name).update(data);
        if (!name.endsWith("512.png")) files.add("./" + name); // these are for installing, which needs a network anyway
      }
      const source = readFileSync(join(out, "../../ui/src/app/sw.js"), "utf8")
        .replace("__VERSION__", hash.digest("hex").slice(0, 16))
        .replace("__FILES__", JSON.stringify([...files].sort()));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}
