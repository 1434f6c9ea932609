import { isUtf8 } from "node:buffer";

/** Longest line a v1.6 parent reads whole, newline included. */
const LINE_BYTES_MAX = 1023;
const WORDS_MAX = 20;
const ALGORITHMS = ["absolute", "incremental", "percentage-of-absolute-row", "percentage-of-incremental-row"];
const CHART_TYPES = ["line", "area", "stacked"];
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;

/** A chart as a parent of v1.6 knows it from the stream. */
export interface StrictChart {
  readonly words: readonly string[];
  readonly dimensions: Map<string, readonly string[]>;
}

/** One BEGIN…END. */
export interface StrictUpdate {
  readonly chart: string;
  readonly elapsedUs: number;
  readonly values: Map<string, bigint>;
}

/**
 * Reads what a child writes as the first generation of parents does, and forgives nothing: every line that would make
 * any parent close the link, or read something else than was meant, throws. Written from streaming.md §2 alone.
 */
export class StrictV16Reader {
  readonly charts = new Map<string, StrictChart>();
  readonly updates: StrictUpdate[] = [];
  lines = 0;
  private tail: Buffer = Buffer.alloc(0);
  private subject: StrictChart | null = null;
  private open: StrictUpdate | null = null;

  /** Takes bytes as they come. @throws Error that quotes the line. */
  feed(bytes: Uint8Array): void {
    const all = Buffer.concat([this.tail, bytes]);
    let start = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, start)) {
      this.line(all.subarray(start, end));
      start = end + 1;
    }
    this.tail = Buffer.from(all.subarray(start));
    if (this.tail.length > LINE_BYTES_MAX) throw new Error(`line longer than ${LINE_BYTES_MAX} bytes`);
  }

  /** The stream ends here. @throws Error when it ends inside a line or an iteration. */
  finish(): void {
    if (this.tail.length > 0) throw new Error(`ends inside a line: ${this.tail}`);
    if (this.open !== null) throw new Error(`ends inside the iteration of ${this.open.chart}`);
  }

  private line(bytes: Buffer): void {
    const text = bytes.toString("utf8");
    const fail = (problem: string): never => {
      throw new Error(`${problem}: ${JSON.stringify(text)}`);
    };
    this.lines++;
    if (bytes.length + 1 > LINE_BYTES_MAX) fail(`line of ${bytes.length} bytes`);
    if (!isUtf8(bytes)) fail("not UTF-8");
    for (const byte of bytes) if (byte < 0x20 || byte === 0x7f) fail("control byte");
    if (text.includes("\\")) fail("backslash");
    const words = strictWords(text, fail);
    if (words.length > WORDS_MAX) fail(`${words.length} words`);
    switch (words[0]) {
      case "CHART":
        this.chart(words, fail);
        break;
      case "DIMENSION":
        this.dimension(words, fail);
        break;
      case "BEGIN":
        this.begin(words, fail);
        break;
      case "SET":
        this.set(words, fail);
        break;
      case "END":
        this.end(words, fail);
        break;
      default:
        fail("unknown keyword");
    }
  }

  private chart(words: string[], fail: Fail): void {
    if (this.open !== null) fail("CHART inside an iteration");
    if (words.length < 10 || words.length > 13) fail(`CHART of ${words.length - 1} fields`);
    const [, id = "", name = "", , , , , type = "", priority = "", everySec = "", options = ""] = words;
    if (!/^[^.]+\../s.test(id)) fail("not type.id");
    if (Buffer.byteLength(id) > 200) fail("id longer than 200 bytes");
    if (name.startsWith(id.slice(0, id.indexOf(".") + 1))) fail("the name carries the type");
    if (!CHART_TYPES.includes(type)) fail("chart type");
    if (!INTEGER.test(priority) || !/^[1-9][0-9]*$/.test(everySec)) fail("number");
    if (/obsolete/.test(options)) fail("a v1.6 parent knows no obsolete charts");
    const known = this.charts.get(id);
    this.subject = { words, dimensions: known?.dimensions ?? new Map() };
    this.charts.set(id, this.subject);
  }

  private dimension(words: string[], fail: Fail): void {
    const [, id = "", name = "", algorithm = "", multiplier = "", divisor = ""] = words;
    if (this.subject === null || this.open !== null) fail("DIMENSION without CHART");
    if (words.length < 6 || words.length > 7 || id === "" || name === "") fail("DIMENSION fields");
    if (!ALGORITHMS.includes(algorithm)) fail("algorithm");
    if (!INTEGER.test(multiplier) || !INTEGER.test(divisor) || multiplier === "0" || divisor === "0") fail("number");
    this.subject?.dimensions.set(id, words);
  }

  private begin(words: string[], fail: Fail): void {
    const [, id = "", elapsedUs = ""] = words;
    if (this.open !== null) fail("BEGIN inside an iteration");
    if (words.length !== 3 || !/^(?:0|[1-9][0-9]*)$/.test(elapsedUs)) fail("BEGIN fields");
    if (!this.charts.has(id)) fail("BEGIN of a chart that is not defined on this connection");
    this.open = { chart: id, elapsedUs: Number(elapsedUs), values: new Map() };
    this.subject = null;
  }

  private set(words: string[], fail: Fail): void {
    const [, id = "", value = ""] = words;
    const open = this.open ?? fail("SET without BEGIN");
    if (words.length !== 3 || !INTEGER.test(value)) fail("SET fields");
    if (BigInt.asIntN(64, BigInt(value)) !== BigInt(value)) fail("not a 64-bit integer");
    if (this.charts.get(open.chart)?.dimensions.has(id) !== true) fail("SET of an unknown dimension");
    open.values.set(id, BigInt(value));
  }

  private end(words: string[], fail: Fail): void {
    this.updates.push(this.open ?? fail("END without BEGIN"));
    if (words.length !== 1) fail("END fields");
    this.open = null;
  }
}

type Fail = (problem: string) => never;

/** Words of a line that every generation splits alike: quotes are closed, and followed by a separator. */
function strictWords(line: string, fail: Fail): string[] {
  const words: string[] = [];
  let rest = line;
  while (rest !== "") {
    const match = /^(?:"([^"]*)"|'([^']*)'|([^\s="'][^\s="']*))(?:[ =]+|$)/.exec(rest);
    if (match === null) return fail("words are not plain");
    words.push(match[1] ?? match[2] ?? match[3] ?? "");
    rest = rest.slice(match[0].length);
  }
  return words;
}
