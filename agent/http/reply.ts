/**
 * A body that is made in pieces: bytes to send (given away), or null as a place to stop for a while. Whoever runs it
 * may let other work run between any two pieces.
 */
export type Chunks = Generator<Uint8Array<ArrayBuffer> | null, void>;

/** An answer before it is a response: what it says, not how it travels. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Chunks;
  /** `none`: changes with every second. `public`: may be kept for a day. `absent`: no caching header at all. */
  readonly cache: "none" | "public" | "absent";
  /** Headers besides the fixed ones. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const JSON_TYPE = "application/json; charset=utf-8";
export const TEXT_TYPE = "text/plain; charset=utf-8";
export const HTML_TYPE = "text/html; charset=utf-8";
export const SCRIPT_TYPE = "application/x-javascript; charset=utf-8";

/** A JSON answer that is never kept. */
export function jsonReply(body: string | Chunks): Reply {
  return { status: 200, contentType: JSON_TYPE, body, cache: "none" };
}

/** A one-line answer that says what is wrong. @param text with everything from outside escaped. */
export function errorReply(status: number, text: string, contentType: string = TEXT_TYPE): Reply {
  return { status, contentType, body: text, cache: "none" };
}

/** Refuses an answer because others are still being sent. */
export function tooManyReply(): Reply {
  const text = "Too many large answers are being sent at the moment. Ask again in a few seconds.";
  return { ...errorReply(503, text), headers: { "Retry-After": "5" } };
}
