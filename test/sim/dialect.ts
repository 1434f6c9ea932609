import { CAPABILITY } from "../../agent/wire/capabilities.ts";

/**
 * How the receivers of a hop understand their senders: as agents of our kind, or as those of other generations would
 * (streaming.md §5). They are agents of ours all the same, which see a request as if its sender had offered less.
 */
export type Dialect =
  | "ours"
  /** Netdata 1.37: replicates, all in order, then takes values as they are collected. */
  | "replicates"
  /** Takes final values, and asks for no past. */
  | "points"
  /** Netdata 2: final values, and all that is missing before them. */
  | "replicates points"
  /** Everything before 1.20. */
  | "v1";

const LABELS = CAPABILITY.bits | CAPABILITY.labels | CAPABILITY.chartLabels;
/** Bits of `ver` that a receiver sees; 0 = it sees no `ver`. */
const SEEN: Record<Exclude<Dialect, "ours">, number> = {
  replicates: LABELS | CAPABILITY.replication,
  points: LABELS | CAPABILITY.interpolated,
  "replicates points": LABELS | CAPABILITY.replication | CAPABILITY.interpolated,
  v1: 0,
};
const HEAD_END = Buffer.from("\r\n\r\n");

/** The receiver asks for what it lacks. */
export function replicates(dialect: Dialect): boolean {
  return dialect === "ours" || dialect === "replicates" || dialect === "replicates points";
}

/** What it gets is final. */
export function takesPoints(dialect: Dialect): boolean {
  return dialect === "points" || dialect === "replicates points";
}

/**
 * Changes the request at the beginning of a connection, as its bytes are taken by a kernel: what is taken of it before
 * it is whole is kept back.
 */
export function requestChanger(dialect: Dialect): (bytes: Buffer) => Buffer {
  let head: Buffer | null = Buffer.alloc(0);
  return (bytes) => {
    if (dialect === "ours" || head === null) return bytes;
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) return Buffer.alloc(0);
    const request = head.toString("latin1", 0, end);
    const rest = head.subarray(end);
    head = null;
    return Buffer.concat([Buffer.from(asSeen(request, SEEN[dialect]), "latin1"), rest]);
  };
}

function asSeen(request: string, seen: number): string {
  if (!request.startsWith("STREAM ")) return request;
  return request
    .replace(/&tributary=1/, "")
    .replace(/&ver=(\d+)/, (_, ver: string) => (seen === 0 ? "" : `&ver=${Number(ver) & seen}`));
}
