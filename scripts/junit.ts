/** Numbers of tests of one run. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Reads the totals of a JUnit report from its root element; a failure and an error count alike.
 * @param xml the report; a text without a root element (the runner crashed) has no tests at all.
 */
export function readTotals(xml: string): Totals {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const tests = attribute(root, "tests");
  const failed = attribute(root, "failures") + attribute(root, "errors");
  const skipped = attribute(root, "skipped");
  return { passed: tests - failed - skipped, failed, skipped };
}

function attribute(element: string, name: string): number {
  return Number(new RegExp(`\\s${name}="(\\d+)"`).exec(element)?.[1] ?? 0);
}
