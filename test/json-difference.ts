/** True for objects and arrays. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/**
 * Paths at which two JSON values differ; numbers may by 1e-6 of their size.
 * @param ignored paths that are not looked at, such as `/charts/x/duration`; `*` stands for any one key.
 */
export function jsonDifference(got: unknown, expected: unknown, ignored: readonly string[] = [], path = ""): string[] {
  if (ignored.some((pattern) => matchesPath(pattern, path))) return [];
  if (typeof expected === "number" && typeof got === "number") {
    const isEqual = Math.abs(got - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
    return isEqual ? [] : [`${path}: ${got} is not ${expected}`];
  }
  if (!isObject(expected) || !isObject(got)) {
    return Object.is(got, expected) ? [] : [`${path}: ${JSON.stringify(got)} is not ${JSON.stringify(expected)}`];
  }
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(got)])];
  return keys.flatMap((key) => jsonDifference(got[key], expected[key], ignored, `${path}/${key}`));
}

function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const present = path.split("/");
  return wanted.length === present.length && wanted.every((part, i) => part === "*" || part === present[i]);
}
