import type { RequestProblem } from "./handshake.ts";

/** Prompt of the base protocol: sent bare, without a line end, and nothing after it (streaming.md §1.3). */
export const PROMPT_V1 = "Hit me baby, push them over...";
/** Prompt of 1.20 and later for hosts with labels. */
export const PROMPT_V2 = "Hit me baby, push them over and bring the host labels...";
/** Prompt with a version or capability bits behind it. */
export const PROMPT_VN = "Hit me baby, push them over with the version=";

/** The prompt that says what was agreed: version 1, 2 … or capability bits. */
export function promptOf(version: number): string {
  if (version <= 1) return PROMPT_V1;
  return version === 2 ? PROMPT_V2 : `${PROMPT_VN}${version}`;
}

const NOT_PERMITTED = "You are not permitted to access this. Check the logs for more info.";
const OWN_GUID = "Don't hit me baby, you are trying to stream my localhost back";
const ALREADY_STREAMING = "This GUID is already streaming to this server";
const BUSY = "The server is too busy now to accept this request. Try later.";
const INTERNAL = "The server encountered an internal error. Try later.";
const INITIALIZING = "The server is initializing. Try later.";

/** Why our parent refuses a stream. */
export type Refusal =
  | RequestProblem
  | "key_unknown"
  | "key_not_permitted"
  | "streaming_address_not_permitted"
  | "key_address_not_permitted"
  | "machine_not_permitted"
  | "machine_address_not_permitted"
  | "own_guid"
  | "too_many_hops"
  | "duplicate"
  | "busy"
  | "too_many_hosts"
  | "internal"
  | "initializing";

/** One refusal: what goes over the wire, and what the log, the status and the counters say. */
export interface RefusalText {
  /** Raw body, then the connection is closed. */
  readonly wire: string;
  /** Status code for the access log only. */
  readonly code: number;
  readonly reason: string;
}

/** Every refusal with its wire text, code and reason (streaming.md §1.4). */
export const REFUSALS: Readonly<Record<Refusal, RefusalText>> = {
  malformed: { wire: NOT_PERMITTED, code: 400, reason: "This is not a stream request." },
  no_key: { wire: NOT_PERMITTED, code: 401, reason: "You need an API key for this request." },
  no_hostname: { wire: NOT_PERMITTED, code: 400, reason: "You need to send a hostname too." },
  no_machine_guid: { wire: NOT_PERMITTED, code: 400, reason: "You need to send a machine GUID too." },
  key_invalid: { wire: NOT_PERMITTED, code: 401, reason: "Your API key is invalid." },
  machine_guid_invalid: { wire: NOT_PERMITTED, code: 404, reason: "Your machine GUID is invalid." },
  key_unknown: { wire: NOT_PERMITTED, code: 401, reason: "Your API key is not known here." },
  key_not_permitted: { wire: NOT_PERMITTED, code: 401, reason: "Your API key is not permitted access." },
  streaming_address_not_permitted: {
    wire: NOT_PERMITTED,
    code: 401,
    reason: "Your address is not permitted to stream to this server.",
  },
  key_address_not_permitted: {
    wire: NOT_PERMITTED,
    code: 401,
    reason: "Your API key is not permitted access from this address.",
  },
  machine_not_permitted: { wire: NOT_PERMITTED, code: 404, reason: "Your machine GUID is not permitted access." },
  machine_address_not_permitted: {
    wire: NOT_PERMITTED,
    code: 404,
    reason: "Your machine GUID is not permitted access from this address.",
  },
  own_guid: { wire: OWN_GUID, code: 409, reason: "You are trying to stream my localhost back." },
  too_many_hops: { wire: NOT_PERMITTED, code: 401, reason: "Too many proxies are passing this host on." },
  duplicate: { wire: ALREADY_STREAMING, code: 409, reason: "This GUID is already streaming to this server." },
  busy: { wire: BUSY, code: 503, reason: "The server is too busy now to accept this request." },
  too_many_hosts: { wire: BUSY, code: 503, reason: "This server has as many hosts as it may." },
  internal: { wire: INTERNAL, code: 500, reason: "The server encountered an internal error." },
  initializing: { wire: INITIALIZING, code: 503, reason: "The server is initializing." },
};

/** Why a parent did not take our stream, as far as its answer tells. */
export type Rejection =
  | "not_permitted"
  | "own_guid"
  | "already_streaming"
  | "busy"
  | "internal"
  | "initializing"
  | "not_understood"
  /** It wants compressed frames, which it was not offered: netdata 1.33–1.36 take any number for theirs. */
  | "compressed"
  /** Nothing, then EOF: how netdata 1.6 refuses. */
  | "closed"
  | "no_reply";

const REJECTION_TEXTS: readonly (readonly [string, Rejection])[] = [
  [NOT_PERMITTED, "not_permitted"],
  [OWN_GUID, "own_guid"],
  [ALREADY_STREAMING, "already_streaming"],
  [BUSY, "busy"],
  [INTERNAL, "internal"],
  [INITIALIZING, "initializing"],
];

/** Bytes of an answer that are looked at; every known text is shorter. */
export const ANSWER_BYTES_MAX = 200;
const VERSION_DIGITS_MAX = 10;

/** The one version whose stream is compressed. */
export const VERSION_COMPRESSED = 5;

/** What the bytes received so far mean. */
export type Answer =
  | { readonly kind: "incomplete" }
  /** A version whose last digit may not have come yet: accepted when nothing follows for 100 ms. */
  | { readonly kind: "version_open"; readonly version: number }
  /** @param version 1, 2, or what stood behind {@link PROMPT_VN}. @param length bytes of the prompt. */
  | { readonly kind: "accepted"; readonly version: number; readonly length: number }
  | { readonly kind: "rejected"; readonly rejection: Rejection };

const INCOMPLETE: Answer = { kind: "incomplete" };
const NOT_UNDERSTOOD: Answer = { kind: "rejected", rejection: "not_understood" };

/**
 * Reads a parent's answer however it is cut and whatever follows it (streaming.md §1.3).
 * @param bytes everything received on this connection, at most {@link ANSWER_BYTES_MAX} bytes of it.
 */
export function readAnswer(bytes: Buffer): Answer {
  const text = bytes.toString("latin1");
  if (text.startsWith(PROMPT_V1)) return { kind: "accepted", version: 1, length: PROMPT_V1.length };
  if (text.startsWith(PROMPT_V2)) return { kind: "accepted", version: 2, length: PROMPT_V2.length };
  if (text.startsWith(PROMPT_VN)) return readVersion(text.slice(PROMPT_VN.length));
  for (const [known, rejection] of REJECTION_TEXTS) if (text.startsWith(known)) return { kind: "rejected", rejection };
  const canStillBe = [PROMPT_V1, PROMPT_V2, PROMPT_VN, ...REJECTION_TEXTS.map(([known]) => known)];
  return canStillBe.some((known) => known.startsWith(text)) ? INCOMPLETE : NOT_UNDERSTOOD;
}

function readVersion(rest: string): Answer {
  const digits = /^\d*/.exec(rest)?.[0] ?? "";
  if (digits.length > VERSION_DIGITS_MAX) return NOT_UNDERSTOOD;
  if (digits === "") return rest === "" ? INCOMPLETE : NOT_UNDERSTOOD;
  const version = Number(digits);
  if (digits.length === rest.length) return { kind: "version_open", version };
  return { kind: "accepted", version, length: PROMPT_VN.length + digits.length };
}
