/** One dimension as its last definition on the wire says. */
export interface WireDimension {
  readonly name: string;
  readonly algorithm: string;
  readonly multiplier: number;
  readonly divisor: number;
  readonly options: string;
}

/** One chart of a recorded stream, with the values that came for it. */
export interface WireChart {
  readonly dimensions: Map<string, WireDimension>;
  /** Last value of each dimension, of iterations that ended. */
  readonly last: Map<string, bigint>;
  /** What the BEGINs said, in order. */
  readonly intervalsUs: number[];
}

/** A recorded stream. */
export interface StreamText {
  /** Request parameters as they stand. */
  readonly request: ReadonlyMap<string, string>;
  readonly charts: ReadonlyMap<string, WireChart>;
  /** Lines by keyword. */
  readonly keywords: ReadonlyMap<string, number>;
}

const WORD = /"([^"]*)"|'([^']*)'|[^ \t\r=]+/g;

/**
 * Reads what a child sent line by line: plain string work, nothing shared with the agent's own decoder.
 * @param bytes from `STREAM` on; a last line without newline is left out.
 */
export function readStreamText(bytes: Buffer): StreamText {
  const text = bytes.toString("utf8");
  const headEnd = text.indexOf("\r\n\r\n");
  if (!text.startsWith("STREAM ") || headEnd < 0) throw new Error(`this is no stream: ${text.slice(0, 100)}`);
  const target = text.slice("STREAM ".length, text.indexOf(" HTTP/1.1\r\n"));
  const reader = new LineReader();
  for (const line of text
    .slice(headEnd + 4)
    .split("\n")
    .slice(0, -1))
    reader.read(line);
  return { request: new Map(target.split("&").map(splitParameter)), charts: reader.charts, keywords: reader.keywords };
}

function splitParameter(pair: string): [string, string] {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
}

class LineReader {
  readonly charts = new Map<string, WireChart>();
  readonly keywords = new Map<string, number>();
  private defined: WireChart | undefined;
  private open: { chart: WireChart; values: Map<string, bigint> } | undefined;

  read(line: string): void {
    // A hint for look-ups that 2.x puts behind keywords.
    const matches = [...line.matchAll(WORD)].filter(([word]) => !word.startsWith("SLOT:"));
    const words = matches.map(([word, double, single]) => double ?? single ?? word);
    const [keyword = "", id = "", ...rest] = words;
    this.keywords.set(keyword, (this.keywords.get(keyword) ?? 0) + 1);
    if (keyword === "CHART") this.chart(id);
    else if (keyword === "DIMENSION") this.dimension(id, rest);
    else if (keyword === "BEGIN") this.begin(id, rest);
    else if (keyword === "SET") this.set(id, rest);
    else if (keyword === "END") this.end();
  }

  private chart(id: string): void {
    this.defined = this.charts.get(id) ?? { dimensions: new Map(), last: new Map(), intervalsUs: [] };
    this.charts.set(id, this.defined);
  }

  private dimension(id: string, words: string[]): void {
    const [name = "", algorithm = "", multiplier = "1", divisor = "1", options = ""] = words;
    const numbers = { multiplier: Number(multiplier), divisor: Number(divisor) };
    this.defined!.dimensions.set(id, { name: name || id, algorithm, ...numbers, options });
  }

  private begin(id: string, words: string[]): void {
    const chart = this.charts.get(id);
    this.open = chart === undefined ? undefined : { chart, values: new Map() };
    chart?.intervalsUs.push(Number(words[0] ?? 0));
  }

  /** Excerpts of recordings begin and end anywhere. */
  private set(id: string, words: string[]): void {
    if (words[0] !== undefined) this.open?.values.set(id, BigInt(words[0]));
  }

  private end(): void {
    for (const [dimension, value] of this.open?.values ?? []) this.open?.chart.last.set(dimension, value);
    this.open = undefined;
  }
}
