import { ownText } from "../base/cut-text.ts";
import { parseGuid } from "../base/guid.ts";
import { decodeTarget, encodeValue } from "./request-text.ts";
import { cutUtf8 } from "./wire-text.ts";

/** First word of a stream request; the door knows streams by it. */
export const STREAM_WORD = "STREAM";

/** What the request head of a stream says of the host behind it (streaming.md §1.2). */
export interface StreamFields {
  /** API key, a lower-case GUID. */
  key: string;
  hostname: string;
  /** Identity of the host, a lower-case GUID. */
  machineGuid: string;
  os: string;
  /** 0 = not said. */
  updateEverySec: number;
  registryHostname: string;
  tags: string;
  timezone: string;
  abbrevTimezone: string;
  utcOffsetSec: number;
  /** 1 from the host itself, one more for each proxy. */
  hops: number;
  /** `NETDATA_*` parameters by their full names. */
  systemInfo: ReadonlyMap<string, string>;
  /** The agent that collects the host, from the User-Agent. */
  program: string;
  version: string;
  /** Protocol version or capability bits that are offered; 0 = not said. */
  ver: number;
  /** The sender understands the lines of agents of our kind. */
  isTributary: boolean;
}

/** A request as it was read. Texts hold no control characters; key and GUID are in lower case if they are GUIDs. */
export interface ReceivedRequest extends StreamFields {
  /** First check of identity that failed, in the order of streaming.md §1.4; null = none. */
  problem: RequestProblem | null;
}

/** What the head alone tells to be wrong. */
export type RequestProblem =
  | "malformed"
  | "no_key"
  | "no_hostname"
  | "no_machine_guid"
  | "key_invalid"
  | "machine_guid_invalid";

/** Longest hostname, in bytes, as in the configuration; longer ones are cut. */
const HOSTNAME_BYTES_MAX = 200;
/** Longest other value; the longest real ones are names of operating systems. */
const VALUE_BYTES_MAX = 200;
const TAGS_BYTES_MAX = 1000;
/** `NETDATA_*` parameters kept; netdata 2.x sends 26. */
const SYSTEM_INFO_MAX = 64;
/** Longest request of ours: netdata 1.6 reads the target into a limited buffer. */
export const REQUEST_BYTES_MAX = 2048;

/** A netdata 1.37 proxy aborts when one of these is missing or empty (streaming.md §1.2). */
const SYSTEM_INFO_NEEDED = [
  "NETDATA_SYSTEM_OS_NAME",
  "NETDATA_SYSTEM_OS_ID",
  "NETDATA_SYSTEM_OS_VERSION",
  "NETDATA_SYSTEM_KERNEL_NAME",
  "NETDATA_SYSTEM_KERNEL_VERSION",
] as const;

/**
 * The request head of a stream, at most {@link REQUEST_BYTES_MAX} bytes: tags and further `NETDATA_*` parameters are
 * left out where there is no room. `NETDATA_PROTOCOL_VERSION` is never sent: without `ver` most parents then answer V1.
 */
export function buildStreamRequest(fields: StreamFields): Buffer {
  const hostname = encodeValue(fields.hostname, 600, true) || "unknown";
  const parts = [
    `key=${encodeValue(fields.key.toLowerCase(), 36)}`,
    `hostname=${hostname}`,
    `machine_guid=${encodeValue(fields.machineGuid.toLowerCase(), 36)}`,
    `os=${encodeValue(fields.os, 32) || "unknown"}`,
    `update_every=${fields.updateEverySec}`,
    `hops=${fields.hops}`,
    `timezone=${encodeValue(fields.timezone, 64) || "unknown"}`,
    `abbrev_timezone=${encodeValue(fields.abbrevTimezone, 32) || "UTC"}`,
    `utc_offset=${fields.utcOffsetSec}`,
    "ml_capable=0&ml_enabled=0&mc_version=0",
  ];
  if (fields.ver !== 0) parts.push(`ver=${fields.ver}`);
  // Nobody else knows the parameter, and all ignore what they do not know.
  if (fields.isTributary) parts.push("tributary=1");
  for (const name of SYSTEM_INFO_NEEDED) {
    parts.push(`${name}=${encodeValue(fields.systemInfo.get(name) ?? "", 64) || "unknown"}`);
  }
  const program = encodeValue(fields.program, 64).replaceAll("/", "_") || "unknown";
  const agent = `${program}/${encodeValue(fields.version, 64) || "unknown"}`;
  const tail = ` HTTP/1.1\r\nUser-Agent: ${agent}\r\nAccept: */*\r\n\r\n`;
  let room = REQUEST_BYTES_MAX - tail.length - STREAM_WORD.length - 1 - parts.join("&").length;
  for (const [name, value] of extras(fields, hostname)) {
    const part = `${name}=${value}`;
    if (value === "" || part.length + 1 > room) continue;
    parts.push(part);
    room -= part.length + 1;
  }
  return Buffer.from(`${STREAM_WORD} ${parts.join("&")}${tail}`, "latin1");
}

/** Parameters that are sent if there is room, encoded, the most useful first. */
function extras(fields: StreamFields, hostname: string): [string, string][] {
  const registry = encodeValue(fields.registryHostname, 600, true);
  const list: [string, string][] = [
    ["registry_hostname", registry === hostname ? "" : registry],
    ["tags", encodeValue(fields.tags, 600)],
  ];
  for (const [name, value] of fields.systemInfo) {
    const isNeeded = (SYSTEM_INFO_NEEDED as readonly string[]).includes(name);
    if (isNeeded || !isSystemInfoName(name) || name === "NETDATA_PROTOCOL_VERSION") continue;
    list.push([name, encodeValue(value, 128)]);
  }
  return list;
}

function isSystemInfoName(name: string): boolean {
  return /^NETDATA_[A-Z0-9_]{1,60}$/.test(name);
}

/**
 * Reads the head of a stream request, from `STREAM` to the empty line; any bytes give an answer. The target ends at the
 * last ` HTTP/` of the line, because real agents send blanks inside it (streaming.md §1.1). A repeated parameter counts
 * as said last, an empty one as not said.
 */
export function parseStreamRequest(head: Buffer): ReceivedRequest {
  const lineEnd = head.indexOf(0x0a) < 0 ? head.length : head.indexOf(0x0a);
  const line = head.subarray(0, lineEnd);
  const marker = line.lastIndexOf(" HTTP/");
  const isStream = line.subarray(0, STREAM_WORD.length + 1).equals(Buffer.from(`${STREAM_WORD} `));
  const parameters = readTarget(isStream ? line.subarray(STREAM_WORD.length + 1, marker < 0 ? lineEnd : marker) : null);
  const text = (name: string, bytesMax = VALUE_BYTES_MAX) => keptText(parameters.get(name) ?? "", bytesMax);
  const hostname = text("hostname", HOSTNAME_BYTES_MAX);
  const [program, version] = userAgent(head.subarray(lineEnd));
  const request: ReceivedRequest = {
    key: lowerGuid(text("key")),
    hostname,
    machineGuid: lowerGuid(text("machine_guid")),
    os: text("os") || "unknown",
    updateEverySec: integer(text("update_every"), 0, 86_400, 0),
    registryHostname: text("registry_hostname", HOSTNAME_BYTES_MAX) || hostname,
    tags: text("tags", TAGS_BYTES_MAX),
    timezone: text("timezone") || "unknown",
    abbrevTimezone: text("abbrev_timezone") || "UTC",
    utcOffsetSec: integer(text("utc_offset"), -86_400, 86_400, 0),
    hops: integer(text("hops"), 1, 1_000_000, 1),
    systemInfo: systemInfoOf(parameters),
    program,
    version,
    ver: integer(text("ver"), 0, 0xffffffff, 0),
    isTributary: text("tributary") === "1",
    problem: null,
  };
  request.problem = isStream ? problemOf(request) : "malformed";
  return request;
}

function problemOf({ key, hostname, machineGuid }: ReceivedRequest): RequestProblem | null {
  if (key === "") return "no_key";
  if (hostname === "") return "no_hostname";
  if (machineGuid === "") return "no_machine_guid";
  if (parseGuid(key) === undefined) return "key_invalid";
  return parseGuid(machineGuid) === undefined ? "machine_guid_invalid" : null;
}

/** Parameters of a target by name; the whole target is decoded before it is split, as every agent does. */
function readTarget(target: Buffer | null): Map<string, string> {
  const parameters = new Map<string, string>();
  if (target === null) return parameters;
  for (const part of decodeTarget(target).trim().replace(/^\?/, "").split("&")) {
    const equals = part.indexOf("=");
    if (equals > 0 && equals < part.length - 1) parameters.set(part.slice(0, equals), part.slice(equals + 1).trim());
  }
  return parameters;
}

function systemInfoOf(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const info = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (info.size >= SYSTEM_INFO_MAX) break;
    if (value !== "" && isSystemInfoName(name)) info.set(ownText(name), keptText(value));
  }
  return info;
}

/** Program and version, split at the first slash; empty if there is no such header. */
function userAgent(headers: Buffer): [string, string] {
  const value = /^user-agent:[ \t]*([^\r\n]*)/im.exec(headers.toString("utf8"))?.[1] ?? "";
  const plain = withoutControls(value.trim());
  const slash = plain.indexOf("/");
  const program = slash < 0 ? plain : plain.slice(0, slash);
  return [keptText(program), slash < 0 ? "" : keptText(plain.slice(slash + 1))];
}

/** Values stay as long as their host, the head they came in does not. */
function keptText(text: string, bytesMax = VALUE_BYTES_MAX): string {
  return ownText(cutUtf8(text, bytesMax));
}

function lowerGuid(text: string): string {
  return parseGuid(text) ?? text;
}

/** @returns `fallback` for anything but a decimal integer; numbers out of range become the nearest one in it. */
function integer(text: string, min: number, max: number, fallback: number): number {
  return /^[+-]?\d{1,15}$/.test(text) ? Math.min(max, Math.max(min, Number(text))) : fallback;
}

/** Control characters would forge lines of a log or of the protocol. */
function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f]/g, "_");
}
