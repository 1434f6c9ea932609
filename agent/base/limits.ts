/**
 * Every fixed bound of the agent in one place, with its reason. Bounds that an operator may want to move are
 * configuration keys instead. Crossing one is always counted or logged by the room that holds it.
 */

/** Longest line of the text protocol; the longest real one (netdata 2.x, FUNCTION help) is 15 487 bytes. */
export const LINE_BYTES_MAX = 65_536;

/** Longest line our own sender writes: netdata 1.6 reads with a 1024-byte buffer and cuts longer lines in two. */
export const SENT_LINE_BYTES_MAX = 1000;

/** Longest request head of STREAM or HTTP; a real 2.x child needs about 2 KiB. */
export const HEAD_BYTES_MAX = 16_384;

/** Time a new connection has for its first word and for its whole request head. */
export const HEAD_TIMEOUT_MS = 10_000;

/** Longest first word a connection may send before it is handed to the HTTP server. */
export const FIRST_WORD_BYTES_MAX = 16;
