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

/** Connections inside the door: 10,000 children (the largest tree planned for) and 2,000 readers. */
export const CONNECTIONS_MAX = 12_000;

/** Connections from one address: a site of children behind one NAT; unread request heads of it stay under 64 MiB. */
export const CONNECTIONS_PER_ADDRESS_MAX = 4000;

/** HTTP connections (part of CONNECTIONS_MAX): a browser opens 6. Each costs three descriptors. */
export const HTTP_CONNECTIONS_MAX = 1000;

/**
 * Descriptors kept for rings, /proc files, exporters and plugins when connections are fitted into the system's limit.
 */
export const OPEN_FILES_RESERVE = 512;

/** Bytes of one HTTP connection waiting in each direction: two chunks of the size the runtime reads at most. */
export const HTTP_PIPE_BYTES_MAX = 1_048_576;

/** Longest HTTP request body (POST of the Grafana source needs a few KiB). */
export const HTTP_BODY_BYTES_MAX = 65_536;

/** Time a request handler has until its response begins. */
export const HTTP_REQUEST_TIMEOUT_MS = 120_000;

/** Time a peer has to read the last bytes and to close, after we have sent FIN. */
export const LINGER_TIMEOUT_MS = 5000;
