import type { Clock } from "./clock.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";
/** Values of a log line; strings from outside are quoted and cut by the logger. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** One line an event: `error` data lost or the operator must act · `warn` recovered · `info` life cycle · `debug`. */
export interface Log {
  /** @param event `room.noun_verb`, stable and greppable. */
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
}

/** Lines written and held back since start, for the agent's own chart. */
export interface LogCounters {
  error: number;
  warn: number;
  suppressed: number;
}

export interface LoggerOptions {
  clock: Clock;
  level: LogLevel;
  format: "text" | "json";
  /** Takes one whole line, newline included. */
  write: (line: string) => void;
}

const RANK: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };
/** Longest value of one field, in characters, after which it is cut. */
const VALUE_LENGTH_MAX = 200;
const REPEAT_MS = 60_000;
/** Subjects remembered for suppression (10,000 hosts have a few events each); the oldest is forgotten first. */
const SUBJECTS_MAX = 4096;

interface Repeat {
  quietUntilMs: number;
  suppressed: number;
}

/**
 * Writes `time level event key=value…`. By convention the first field names the subject (host, collector, peer …);
 * an event about one subject repeats at most once a minute, with `suppressed=N`.
 */
export class Logger implements Log {
  readonly counters: LogCounters = { error: 0, warn: 0, suppressed: 0 };
  private readonly clock: Clock;
  private readonly write: (line: string) => void;
  private level: LogLevel;
  private format: "text" | "json";
  private readonly repeats = new Map<string, Repeat>();

  constructor(options: LoggerOptions) {
    this.clock = options.clock;
    this.write = options.write;
    this.level = options.level;
    this.format = options.format;
  }

  /** Takes a new level and format at once (configuration reload). */
  configure(level: LogLevel, format: "text" | "json"): void {
    this.level = level;
    this.format = format;
  }

  error(event: string, fields: LogFields = {}): void {
    this.log("error", event, fields);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.log("warn", event, fields);
  }

  info(event: string, fields: LogFields = {}): void {
    this.log("info", event, fields);
  }

  debug(event: string, fields: LogFields = {}): void {
    this.log("debug", event, fields);
  }

  private log(level: LogLevel, event: string, fields: LogFields): void {
    if (RANK[level] > RANK[this.level]) return;
    const suppressed = level === "debug" ? 0 : this.admit(event, fields);
    if (suppressed < 0) return;
    if (level === "error" || level === "warn") this.counters[level]++;
    const time = new Date(this.clock.nowUs() / 1000).toISOString();
    const all = suppressed > 0 ? { ...fields, suppressed } : fields;
    this.write(this.format === "json" ? jsonLine(time, level, event, all) : textLine(time, level, event, all));
  }

  /** @returns lines held back since the last one of this event and subject, or −1 to hold this one back too. */
  private admit(event: string, fields: LogFields): number {
    const nowMs = this.clock.monotonicMs();
    const subject = `${event} ${Object.values(fields)[0]}`;
    const repeat = this.repeats.get(subject);
    if (repeat === undefined) {
      if (this.repeats.size >= SUBJECTS_MAX) this.repeats.delete(this.repeats.keys().next().value ?? "");
      this.repeats.set(subject, { quietUntilMs: nowMs + REPEAT_MS, suppressed: 0 });
      return 0;
    }
    if (nowMs < repeat.quietUntilMs) {
      repeat.suppressed++;
      this.counters.suppressed++;
      return -1;
    }
    const { suppressed } = repeat;
    repeat.quietUntilMs = nowMs + REPEAT_MS;
    repeat.suppressed = 0;
    return suppressed;
  }
}

/** A log that writes nothing, for tests and tools. */
export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {} };

function textLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${event}`;
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) line += ` ${key}=${textValue(value)}`;
  return `${line}\n`;
}

function jsonLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  const cut = Object.entries(fields).map(([key, value]) => [key, typeof value === "string" ? cutValue(value) : value]);
  return `${JSON.stringify({ time, level, event, ...Object.fromEntries(cut) })}\n`;
}

function textValue(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  const text = cutValue(value);
  // JSON quoting escapes control bytes, so text from a peer can never forge a line of its own.
  return /^[\w.:/%@+-]+$/.test(text) ? text : JSON.stringify(text);
}

function cutValue(text: string): string {
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
