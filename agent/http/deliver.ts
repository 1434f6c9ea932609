import { Readable, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { HttpCounters } from "./counters.ts";
import type { OpenAnswers } from "./open-answers.ts";
import { type Chunks, type Reply, tooManyReply } from "./reply.ts";

/** Work on one answer in one go: half of what a sample may wait on its way (design.md §6). */
const SLICE_MS = 5;
/** Smaller answers are not compressed: the head weighs more than what is saved. */
const GZIP_BYTES_MIN = 512;
/** Larger answers are compressed while they are sent, not in one go. */
const GZIP_AT_ONCE_BYTES_MAX = 262_144;
/** A piece of a streamed answer is handed on when it has this size. */
const PIECE_BYTES = 65_536;
const PUBLIC_SEC = 86_400;

/** What an answer needs to know of its request. */
export interface Delivery {
  readonly request: Request;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: HttpCounters;
  readonly open: OpenAnswers;
  readonly version: string;
  readonly gzipLevel: number;
  readonly updateEverySec: number;
}

const encoder = new TextEncoder();

/**
 * Makes the response: fixed headers, caching, compression (http-api.md §2). An answer that is not ready within a few
 * ms is streamed, so that a large one holds up nobody.
 */
export function deliver(reply: Reply, delivery: Delivery): Response {
  const headers = headersOf(reply, delivery);
  const started = start(reply.body, delivery.clock);
  const isHead = delivery.request.method === "HEAD";
  const canGzip = delivery.gzipLevel > 0 && acceptsGzip(delivery.request.headers.get("accept-encoding") ?? "");
  const { status } = reply;
  if (started.rest === null && (!canGzip || started.bytes.length <= GZIP_AT_ONCE_BYTES_MAX)) {
    const bytes = canGzip ? compressed(started.bytes, headers, delivery) : started.bytes;
    if (!isHead) return new Response(bytes, { status, headers });
    headers.set("Content-Length", String(bytes.length));
    return new Response(null, { status, headers });
  }
  if (!isHead && !delivery.open.canStream()) {
    started.rest?.return();
    return deliver(tooManyReply(), delivery);
  }
  if (canGzip) headers.set("Content-Encoding", "gzip");
  if (isHead) {
    started.rest?.return();
    return new Response(null, { status, headers });
  }
  const plain = streamOf(started.bytes, started.rest, delivery);
  const stream = canGzip
    ? plain
        .pipeThrough(countPlain(delivery))
        .pipeThrough(gzipStream(delivery.gzipLevel))
        .pipeThrough(countSent(delivery))
    : plain;
  return new Response(stream, { status, headers });
}

/** True if the header names gzip and does not switch it off. */
export function acceptsGzip(acceptEncoding: string): boolean {
  return acceptEncoding.split(",").some((entry) => {
    const [coding = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    const isOff = parameters.some((parameter) => /^q\s*=\s*0(\.0*)?$/.test(parameter));
    return coding === "gzip" && !isOff;
  });
}

function headersOf(reply: Reply, { request, clock, version, updateEverySec }: Delivery): Headers {
  const nowMs = Math.floor(clock.nowUs() / 1e6) * 1000;
  const headers = new Headers({
    Server: `tributary/${version}`,
    Date: httpDate(nowMs),
    "Access-Control-Allow-Origin": request.headers.get("origin") ?? "*",
    "Access-Control-Allow-Credentials": "true",
    "Content-Type": reply.contentType,
    "X-Content-Type-Options": "nosniff",
    Vary: "Accept-Encoding, Origin",
  });
  if (reply.cache === "public") {
    headers.set("Cache-Control", "public");
    headers.set("Expires", httpDate(nowMs + PUBLIC_SEC * 1000));
  } else if (reply.cache === "none") {
    headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    headers.set("Pragma", "no-cache");
    headers.set("Expires", httpDate(nowMs + updateEverySec * 1000));
  }
  for (const [name, value] of Object.entries(reply.headers ?? {})) headers.set(name, value);
  return headers;
}

function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** Runs a body for one slice. @returns what there is by then, and the rest, null when it is complete. */
function start(body: string | Chunks, clock: Clock): { bytes: Uint8Array<ArrayBuffer>; rest: Chunks | null } {
  if (typeof body === "string") return { bytes: encoder.encode(body), rest: null };
  const slice = runSlice(body, clock, Number.POSITIVE_INFINITY);
  return { bytes: joined(slice.pieces), rest: slice.done ? null : body };
}

/** Runs a body until the slice is over, `bytesMax` are there, or it ends. */
function runSlice(
  chunks: Chunks,
  clock: Clock,
  bytesMax: number,
): { pieces: Uint8Array<ArrayBuffer>[]; done: boolean } {
  const untilMs = clock.monotonicMs() + SLICE_MS;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  do {
    const next = chunks.next();
    if (next.done === true) return { pieces, done: true };
    if (next.value === null) continue;
    pieces.push(next.value);
    bytes += next.value.length;
  } while (bytes < bytesMax && clock.monotonicMs() < untilMs);
  return { pieces, done: false };
}

function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function compressed(bytes: Uint8Array<ArrayBuffer>, headers: Headers, delivery: Delivery): Uint8Array<ArrayBuffer> {
  if (bytes.length < GZIP_BYTES_MIN) return bytes;
  const packed = Bun.gzipSync(bytes, { level: delivery.gzipLevel as 1 });
  headers.set("Content-Encoding", "gzip");
  delivery.counters.gzipPlainBytes += bytes.length;
  delivery.counters.gzipSentBytes += packed.length;
  return packed;
}

/** The rest of a body, made as the client reads it; other work runs between the slices. */
function streamOf(first: Uint8Array, rest: Chunks | null, delivery: Delivery): ReadableStream<Uint8Array> {
  let pending: Uint8Array | null = first.length > 0 ? first : null;
  const held = delivery.open.holdStream();
  let isCancelled = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (pending !== null) {
        controller.enqueue(pending);
        pending = null;
        return;
      }
      try {
        for (;;) {
          if (rest === null) {
            held[Symbol.dispose]();
            return controller.close();
          }
          await nextTurn();
          // The client may have gone meanwhile; then nobody takes anything any more.
          if (isCancelled) return;
          const slice = runSlice(rest, delivery.clock, PIECE_BYTES);
          if (slice.done) rest = null;
          if (slice.pieces.length > 0) return controller.enqueue(joined(slice.pieces));
        }
      } catch (error) {
        // The head is gone already: the client sees a cut answer, the operator a line.
        held[Symbol.dispose]();
        delivery.counters.failed++;
        delivery.log.error("http.request_failed", { problem: errorText(error) });
        controller.error(new Error("answer cut"));
      }
    },
    cancel() {
      isCancelled = true;
      held[Symbol.dispose]();
      rest?.return();
    },
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Packs as it goes, in the runtime's own threads. */
function gzipStream(level: number): TransformStream<Uint8Array, Uint8Array> {
  const gzip = createGzip({ level });
  return {
    readable: Readable.toWeb(gzip) as unknown as ReadableStream<Uint8Array>,
    writable: Writable.toWeb(gzip) as unknown as WritableStream<Uint8Array>,
  };
}

function countPlain({ counters }: Delivery): TransformStream<Uint8Array, Uint8Array> {
  return counting((bytes) => {
    counters.gzipPlainBytes += bytes;
  });
}

function countSent({ counters }: Delivery): TransformStream<Uint8Array, Uint8Array> {
  return counting((bytes) => {
    counters.gzipSentBytes += bytes;
  });
}

function counting(count: (bytes: number) => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(piece, controller) {
      count(piece.length);
      controller.enqueue(piece);
    },
  });
}
