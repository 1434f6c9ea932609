import { readFileSync } from "node:fs";
import { type CollectionVectors, checkCollection } from "./collection-vectors.ts";
import { checkStorageNumber, type StorageNumberVectors } from "./storage-number-vectors.ts";

// bun test/check-vectors.ts FILE… : runs the cases of each file, prints what differs and `N passed, N failed`.
let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  for (const [name, wrong] of results(file)) {
    if (wrong.length === 0) passed++;
    else failed++;
    for (const text of wrong) process.stdout.write(`${file}: ${name}: ${text}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** @returns name of each case, and what is wrong with it. */
function results(file: string): [string, string[]][] {
  const vectors = JSON.parse(readFileSync(file, "utf8")) as CollectionVectors | StorageNumberVectors;
  if (isCollection(vectors)) {
    return vectors.cases.map((test) => {
      const fast = checkCollection(test, true).map((text) => `fast: ${text}`);
      return [test.id, [...checkCollection(test, false), ...fast]];
    });
  }
  if (vectors.format === "rrd-storage-number/1") {
    return vectors.cases.map((test) => [String(test.value), checkStorageNumber(test)]);
  }
  const known = "rrd-collection/1, rrd-storage-number/1";
  process.stderr.write(`${file}: unknown format ${JSON.stringify(vectors.format)}, known: ${known}\n`);
  process.exit(2);
}

function isCollection(vectors: CollectionVectors | StorageNumberVectors): vectors is CollectionVectors {
  return vectors.format === "rrd-collection/1";
}
