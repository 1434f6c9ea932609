import type { Destination } from "../base/destination.ts";

/** Longest answer that is read; those of real parents have about 500 bytes. */
export const STREAM_INFO_BYTES_MAX = 16_384;

/** What a parent says of a host before it is sent there (streaming.md §1.6). */
export type StreamInfo =
  /** It has this host's values up to this second. */
  | { readonly kind: "holds"; readonly lastSec: number }
  /** It answers, but not with anything to rank it by: it does not know the host, or the question. */
  | { readonly kind: "unranked" }
  /** It would refuse the stream now, and says why. */
  | { readonly kind: "unwilling"; readonly why: "localhost" | "virtual" | "initializing" };

const UNRANKED: StreamInfo = { kind: "unranked" };

/** The question, as netdata 2.x children ask it. @param agent `PROGRAM/VERSION`. */
export function streamInfoRequest({ name }: Destination, machineGuid: string, agent: string): Buffer {
  const host = name.startsWith("unix:") ? "localhost" : name.replace(/:SSL$/, "");
  const lines = [
    `GET /api/v3/stream_info?machine_guid=${machineGuid} HTTP/1.1`,
    `Host: ${host}`,
    `User-Agent: ${agent}`,
    "Accept: application/json",
    "Connection: close",
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/**
 * Whether an answer is there as a whole, as far as it says how long it is.
 * @param bytes from the status line on.
 */
export function isWholeAnswer(bytes: Buffer): boolean {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const length = /^content-length:[ \t]*(\d+)/im.exec(bytes.toString("latin1", 0, headEnd))?.[1];
  return length !== undefined && bytes.length - headEnd - 4 >= Number(length);
}

/** Reads an answer, whole or cut; any bytes give a meaning. */
export function readStreamInfo(bytes: Buffer): StreamInfo {
  const text = bytes.toString("latin1");
  const bodyStart = text.indexOf("\r\n\r\n") + 4;
  if (bodyStart < 4 || !/^HTTP\/1\.\d 200\b/.test(text)) return UNRANKED;
  // The braces are found in a chunked body as well.
  const json = text.slice(text.indexOf("{", bodyStart), text.lastIndexOf("}") + 1);
  let said: unknown;
  try {
    said = JSON.parse(json);
  } catch {
    // Whatever it is, it is no answer to this question.
    return UNRANKED;
  }
  return typeof said === "object" && said !== null ? meaningOf(said as Record<string, unknown>) : UNRANKED;
}

function meaningOf(said: Record<string, unknown>): StreamInfo {
  const { ingest_type: type, ingest_status: status, last_time_s: lastSec } = said;
  if (type === "localhost" || type === "virtual") return { kind: "unwilling", why: type };
  if (status === "initializing") return { kind: "unwilling", why: status };
  const isKnown = said["status"] === 200 && typeof lastSec === "number" && Number.isFinite(lastSec) && lastSec > 0;
  return isKnown ? { kind: "holds", lastSec } : UNRANKED;
}
