import { plugin } from "bun";
import { RUN_VARIABLE } from "../scripts/leftovers.ts";

/** The runner's own 5 s are too few for a property of many runs on a busy machine; a stuck test still ends. */
const TEST_MS = 60_000;

/**
 * `npm test` and `npm run check` give a time limit. A plain `bun test` takes it from no file of ours, and forgets
 * `setDefaultTimeout` at the end of the first test file: so each sets it for itself. What is lost is the line of a test
 * that fails, which `bun test --timeout=60000 FILE` with `TRIBUTARY_TEST_LIMIT=0` shows.
 */
if (process.env[RUN_VARIABLE] === undefined && process.env["TRIBUTARY_TEST_LIMIT"] !== "0") {
  plugin({
    name: "test-limit",
    setup(build) {
      build.onLoad({ filter: /\.test\.ts$/ }, async ({ path }) => {
        const limit = `import { setDefaultTimeout as limitTests } from "bun:test"; limitTests(${TEST_MS});`;
        return { contents: `${limit} ${await Bun.file(path).text()}`, loader: "ts" };
      });
    },
  });
}
