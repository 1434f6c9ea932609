import { describe, expect, test } from "bun:test";
import { readTotals } from "../../scripts/junit.ts";

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

describe("readTotals", () => {
  test.each([
    {
      what: "a run with everything in it",
      xml: `${HEAD}<testsuites name="bun test" tests="12" assertions="40" failures="2" skipped="3" time="0.1">\n`,
      totals: { passed: 7, failed: 2, skipped: 3 },
    },
    {
      what: "errors apart from failures",
      xml: `${HEAD}<testsuites tests="5" failures="1" errors="1" skipped="0">`,
      totals: { passed: 3, failed: 2, skipped: 0 },
    },
    {
      what: "inner suites, which repeat the numbers",
      xml: `${HEAD}<testsuites tests="2" failures="0" skipped="0"><testsuite tests="2" failures="0" skipped="0">`,
      totals: { passed: 2, failed: 0, skipped: 0 },
    },
    { what: "no report: the runner crashed", xml: "", totals: { passed: 0, failed: 0, skipped: 0 } },
    { what: "a report cut short", xml: `${HEAD}<testsuites tests="4"`, totals: { passed: 0, failed: 0, skipped: 0 } },
  ])("$what", ({ xml, totals }) => expect(readTotals(xml)).toEqual(totals));
});
