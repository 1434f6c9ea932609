import { readFileSync } from "node:fs";
import { type CollectionVectors, checkCollection } from "./collection-vectors.ts";

// bun test/check-vectors.ts FILE… : runs the cases of each file, prints what differs and `N passed, N failed`.
let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  const vectors = JSON.parse(readFileSync(file, "utf8")) as CollectionVectors;
  if (vectors.format !== "rrd-collection/1") {
    process.stderr.write(`${file}: unknown format ${JSON.stringify(vectors.format)}, known: rrd-collection/1\n`);
    process.exit(2);
  }
  for (const test of vectors.cases) {
    const wrong = [...checkCollection(test, false), ...checkCollection(test, true).map((text) => `fast: ${text}`)];
    if (wrong.length === 0) passed++;
    else failed++;
    for (const text of wrong) process.stdout.write(`${file}: ${test.id}: ${text}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
