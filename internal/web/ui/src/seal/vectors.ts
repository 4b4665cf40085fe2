// Reader of the test vectors that Go's package seal publishes: records of
// "name: value" lines, parted by empty lines, # for comments.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Vector = Record<string, string>;

export function vectors(file: string): Vector[] {
  const text = readFileSync(join(import.meta.dirname, "../../../../seal/testdata", file), "utf8");
  const records: Vector[] = [];
  for (const block of text.split(/\n{2,}/)) {
    const v: Vector = {};
    for (const line of block.split("\n")) {
      const at = line.indexOf(":");
      if (!line.startsWith("#") && at > 0) v[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
    }
    if (Object.keys(v).length > 0) records.push(v);
  }
  return records;
}
