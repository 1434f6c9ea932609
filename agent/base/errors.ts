/** An error of the outside world: told to the user as text, never with a stack. `code` is stable and greppable. */
export class AgentError extends Error {
  override readonly name: string = "AgentError";
  readonly code: string;

  /** @param code `noun_verb`, such as `port_in_use`. @param message where, what, what now. */
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** A broken invariant of our own: logged with its stack, the process exits 70. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** The text of anything that was thrown, without a stack. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `ECONNREFUSED` …) or of an {@link AgentError}; empty if there is none. */
export function errorCode(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
