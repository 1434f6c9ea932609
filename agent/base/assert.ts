import { BugError } from "./errors.ts";

/** Holds an invariant of our own code. Never used on data from outside. @throws BugError */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}
