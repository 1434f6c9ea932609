import type { LineProblem } from "../agent/wire/stream-handler.ts";
import { naiveInteger, naiveWords } from "./naive-words.ts";
import { type Problem, ReferenceLater, type ReferenceState, type Text } from "./reference-later.ts";
import { RECORDER_CHARTS_MAX, RECORDER_DIMENSIONS_MAX, type RecordedChart } from "./stream-recorder.ts";

const QUIET = new Set(["FUNCTION", "CLAIMED_ID", "HOST"]);
const SLOTTED = new Set(["CHART", "DIMENSION", "RBEGIN", "RSET", "RDSTATE", "BEGIN2", "SET2"]);
/** The grammar of streaming.md §2 and §3 without any speed: every line split into words, state in plain maps. */
export class ReferenceDecoder implements ReferenceState {
  readonly calls: string[] = [];
  readonly charts = new Map<string, RecordedChart>();
  readonly nowUs: number;
  private readonly later = new ReferenceLater(this);
  private open: { chart: RecordedChart; givenUs: number; sets: Map<number, { value: bigint; count: number }> } | null =
    null;
  subject: RecordedChart | null = null;
  isSkipping = false;

  constructor(nowUs: number) {
    this.nowUs = nowUs;
  }

  /** @param bytes the whole stream; a last line without newline is not looked at. */
  read(bytes: Buffer): void {
    const lines = bytes.toString("latin1").split("\n");
    for (const line of lines.slice(0, -1)) this.line(line);
  }

  /** The stream is over. */
  finish(): void {
    this.abandon();
    this.later.end();
  }

  private line(line: string): void {
    const words = naiveWords(line);
    // An unquoted SLOT:<n> behind the keyword.
    if (SLOTTED.has(words[0]!) && /^[ \t\r=]*["']?[A-Z0-9]+["']?[ \t\r=]*SLOT:/.test(line)) words.splice(1, 1);
    const problem = (kind: LineProblem, isValue: boolean) => {
      this.calls.push(`problem ${kind} ${isValue} ${line}`);
    };
    const text = (index: number) => Buffer.from(words[index] ?? "", "latin1").toString("utf8");
    const [keyword] = words;
    if (keyword === "CHART") this.chart(words, text, problem);
    else if (keyword === "DIMENSION") this.dimension(words, text, problem);
    else if (keyword === "BEGIN") this.begin(words, text, problem);
    else if (keyword === "SET") this.set(words, text, problem);
    else if (keyword === "END") this.end(problem);
    else if (keyword === "VARIABLE") this.variable(text, problem);
    else if (keyword === "FLUSH") {
      this.abandon();
      this.later.abandonFinal();
    } else if (keyword === "DISABLE") this.calls.push("disable");
    else if (keyword !== undefined && this.later.line(keyword, words, text, problem)) return;
    else if (keyword !== undefined && !QUIET.has(keyword)) problem("unknown", false);
  }

  private begin(words: string[], text: Text, problem: Problem): void {
    this.abandon();
    const chart = words.length < 2 ? undefined : this.charts.get(text(1));
    this.isSkipping = chart === undefined;
    this.subject = chart ?? null;
    if (chart === undefined) problem(words.length < 2 ? "malformed" : "no_chart", false);
    else this.open = { chart, givenUs: Math.max(0, Number(naiveInteger(words[2] ?? ""))), sets: new Map() };
  }

  private end(problem: Problem): void {
    if (this.open !== null) this.commit();
    else if (!this.isSkipping) problem("no_chart", false);
    this.isSkipping = false;
  }

  private chart(words: string[], text: Text, problem: Problem): void {
    this.abandon();
    this.subject = null;
    const number = (index: number) => Number(naiveInteger(words[index] ?? ""));
    const id = text(1);
    const isId = /^[^.]+\../s.test(id);
    let chart: RecordedChart | undefined;
    if (isId) {
      const [name, title, units, family, context, chartType] = [2, 3, 4, 5, 6, 7].map(text);
      const [priority, updateEverySec] = [number(8), number(9)];
      const [options, plugin, module] = [10, 11, 12].map(text);
      const fields = { id, name, title, units, family, context, chartType, priority, updateEverySec };
      this.calls.push(`chart ${JSON.stringify({ ...fields, options, plugin, module })}`);
      chart = this.charts.get(id);
      if (chart === undefined && this.charts.size < RECORDER_CHARTS_MAX) {
        chart = { id, dimensions: [] };
        this.charts.set(id, chart);
      }
    }
    this.isSkipping = chart === undefined;
    this.subject = chart ?? null;
    if (chart === undefined) problem(isId ? "no_chart" : "malformed", false);
  }

  private dimension(words: string[], text: Text, problem: Problem): void {
    const chart = this.subject;
    if (chart === null || words.length < 2) {
      if (!this.isSkipping) problem("malformed", false);
      return;
    }
    const id = text(1);
    const line = {
      id,
      name: text(2) || id,
      algorithm: text(3),
      multiplier: Number(naiveInteger(words[4] ?? "")),
      divisor: Number(naiveInteger(words[5] ?? "")),
      options: text(6),
    };
    this.calls.push(`dimension ${chart.id} ${JSON.stringify(line)}`);
    if (!chart.dimensions.includes(id) && chart.dimensions.length < RECORDER_DIMENSIONS_MAX) chart.dimensions.push(id);
  }

  private set(words: string[], text: Text, problem: Problem): void {
    const index = this.open?.chart.dimensions.indexOf(text(1)) ?? -1;
    if (this.open === null) problem("no_chart", true);
    else if (words.length < 2) problem("malformed", true);
    else if (index < 0) problem("no_dimension", true);
    else if ((words[2] ?? "") !== "") {
      const before = this.open.sets.get(index)?.count ?? 0;
      this.open.sets.set(index, { value: naiveInteger(words[2]!), count: before + 1 });
    }
  }

  private variable(text: Text, problem: Problem): void {
    const isHost = ["HOST", "GLOBAL"].includes(text(1));
    const isChart = ["CHART", "LOCAL"].includes(text(1));
    const [name, number] = isHost || isChart ? [text(2), text(3)] : [text(1), text(2)];
    if (name === "" || number === "" || !Number.isFinite(Number(number))) {
      problem("malformed", false);
      return;
    }
    const chart = isHost ? null : (this.open?.chart ?? (isChart ? this.subject : null));
    this.calls.push(`variable ${chart === null ? "host" : chart.id} ${name} ${Number(number)}`);
  }

  private commit(): void {
    const { chart, givenUs, sets } = this.open!;
    this.open = null;
    const order = [...sets].sort(([a], [b]) => a - b);
    const texts = order.map(([index, { value, count }]) => `${index}=${value}x${Math.min(255, count)}`);
    this.calls.push(`commit ${chart.id} ${givenUs} ${this.nowUs} ${texts.join(" ")}`);
  }

  abandon(): void {
    let count = 0;
    for (const set of this.open?.sets.values() ?? []) count += set.count;
    this.open = null;
    if (count > 0) this.calls.push(`abandoned ${count}`);
  }
}
