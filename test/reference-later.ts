import type { LineProblem } from "../agent/wire/stream-handler.ts";
import { naiveDouble, naiveInteger, naiveWireInteger } from "./naive-words.ts";
import { numberText, type RecordedChart } from "./stream-recorder.ts";

/** What the two halves of the reference share. */
export interface ReferenceState {
  readonly calls: string[];
  readonly charts: ReadonlyMap<string, RecordedChart>;
  readonly nowUs: number;
  subject: RecordedChart | null;
  isSkipping: boolean;
  /** Gives up the open BEGIN. */
  abandon(): void;
}

/** A word as UTF-8, empty if it is not there. */
export type Text = (index: number) => string;
export type Problem = (kind: LineProblem, isValue: boolean) => void;

interface Row {
  head: string;
  chart: RecordedChart;
  isReset: boolean;
  sets: Map<number, { text: string; count: number }>;
}

/** The lines of streaming.md §5.1, §6 and §9, without any speed. */
export class ReferenceLater {
  private readonly decoder: ReferenceState;
  private hostLabels = new Map<string, string>();
  private chartLabels = new Map<string, string>();
  private labelled: RecordedChart | null = null;
  private replayed: RecordedChart | null = null;
  private isReplaySkipping = false;
  private row: Row | null = null;
  private final: Row | null = null;
  private isFinalSkipping = false;

  constructor(decoder: ReferenceState) {
    this.decoder = decoder;
  }

  /** @returns false for a keyword that is none of these. */
  line(keyword: string, words: string[], text: Text, problem: Problem): boolean {
    const lines: Record<string, () => void> = {
      LABEL: () => this.label(words, text, problem),
      OVERWRITE: () => this.overwrite(text, problem),
      CLABEL: () => this.chartLabel(words, text, problem),
      CLABEL_COMMIT: () => this.commitLabels(problem),
      CHART_DEFINITION_END: () => this.definitionEnd(words, problem),
      RBEGIN: () => this.replayBegin(words, text, problem),
      RSET: () => this.replaySet(words, text, problem),
      RDSTATE: () => this.dimensionState(words, text, problem),
      RSSTATE: () => this.chartState(words, problem),
      REND: () => this.replayEnd(words, text, problem),
      BEGIN2: () => this.finalBegin(words, text, problem),
      SET2: () => this.finalSet(words, text, problem),
      END2: () => this.finalEnd(problem),
      TRIBUTARY: () => this.extension(words, text),
    };
    const read = Object.hasOwn(lines, keyword) ? lines[keyword] : undefined;
    read?.();
    return read !== undefined;
  }

  /** FLUSH, or another BEGIN2. */
  abandonFinal(): void {
    const lost = count(this.final);
    this.final = null;
    if (lost > 0) this.call(`abandoned ${lost}`);
  }

  end(): void {
    this.abandonFinal();
    if (count(this.row) > 0) this.call(`abandoned ${count(this.row)}`);
  }

  private call(text: string): void {
    this.decoder.calls.push(text);
  }

  private extension(words: string[], text: Text): void {
    this.finishRow();
    this.call(`extension ${JSON.stringify(words.slice(1).map((_, index) => text(index + 1)))}`);
  }

  private label(words: string[], text: Text, problem: Problem): void {
    if (words.length < 4) problem("malformed", false);
    else keep(this.hostLabels, text(1), text(3), words[2]!, problem);
  }

  private overwrite(text: Text, problem: Problem): void {
    if (text(1) !== "labels") {
      problem("malformed", false);
      return;
    }
    this.call(`labels [${[...this.hostLabels.values()].join(",")}]`);
    this.hostLabels = new Map();
  }

  private chartLabel(words: string[], text: Text, problem: Problem): void {
    const { subject, isSkipping } = this.decoder;
    if (subject === null || words.length < 4) {
      if (!isSkipping) problem(subject === null ? "no_chart" : "malformed", false);
      return;
    }
    if (subject !== this.labelled) this.chartLabels = new Map();
    this.labelled = subject;
    keep(this.chartLabels, text(1), text(2), words[3]!, problem);
  }

  private commitLabels(problem: Problem): void {
    const { subject, isSkipping } = this.decoder;
    const labels = subject === this.labelled ? [...this.chartLabels.values()] : [];
    this.labelled = null;
    this.chartLabels = new Map();
    if (subject !== null) this.call(`labels ${subject.id} [${labels.join(",")}]`);
    else if (!isSkipping) problem("no_chart", false);
  }

  private definitionEnd(words: string[], problem: Problem): void {
    const { subject, isSkipping } = this.decoder;
    const [first, last, now] = words.slice(1).map((word) => Number(naiveWireInteger(word)));
    if (subject !== null && words.length >= 4) this.call(`defined ${subject.id} ${first} ${last} ${now}`);
    else if (!isSkipping) problem(subject === null ? "no_chart" : "malformed", false);
  }

  private replayBegin(words: string[], text: Text, problem: Problem): void {
    this.finishRow();
    const id = text(1);
    if (id !== "") {
      this.replayed = this.decoder.charts.get(id) ?? null;
      this.isReplaySkipping = this.replayed === null;
      if (this.replayed === null) problem("no_chart", false);
    } else if (this.replayed === null && !this.isReplaySkipping) problem("no_chart", false);
    if (this.replayed === null || (id !== "" && words.length <= 2)) return;
    const [start, end, now] = [2, 3, 4].map((index) => Number(naiveWireInteger(words[index] ?? "")));
    if (start! >= end!) problem("malformed", false);
    else this.row = { head: `${start} ${end} ${now}`, chart: this.replayed, isReset: false, sets: new Map() };
  }

  private replaySet(words: string[], text: Text, problem: Problem): void {
    const dimension = this.replayed?.dimensions.indexOf(text(1)) ?? -1;
    if (this.replayed === null) problem("no_chart", true);
    else if (this.row === null) problem("malformed", true);
    else if (words.length >= 2 && dimension < 0) problem("no_dimension", true);
    else if (words.length < 3) problem("malformed", true);
    else set(this.row, dimension, numberText(finalValue(words[2]!, words[3])), words[3]);
  }

  private dimensionState(words: string[], text: Text, problem: Problem): void {
    this.finishRow();
    const chart = this.replayed;
    if (chart === null || words.length < 6) {
      if (!this.isReplaySkipping) problem(chart === null ? "no_chart" : "malformed", false);
      return;
    }
    const dimension = chart.dimensions.indexOf(text(1));
    const [us, collected] = [words[2]!, words[3]!].map(naiveWireInteger);
    const doubles = `${numberText(naiveDouble(words[4]!))} ${numberText(naiveDouble(words[5]!))}`;
    if (dimension < 0) problem("no_dimension", false);
    else this.call(`state ${chart.id} ${dimension} ${Number(us)} ${collected} ${doubles} ${toldState(words)}`);
  }

  private chartState(words: string[], problem: Problem): void {
    this.finishRow();
    const [collected, updated] = words.slice(1).map((word) => Number(naiveWireInteger(word)));
    if (this.replayed !== null && words.length >= 3) {
      this.call(`state ${this.replayed.id} ${collected} ${updated}`);
    } else if (!this.isReplaySkipping) problem(this.replayed === null ? "no_chart" : "malformed", false);
  }

  private replayEnd(words: string[], text: Text, problem: Problem): void {
    this.finishRow();
    const chart = this.replayed;
    const isSkipping = this.isReplaySkipping;
    this.replayed = null;
    this.isReplaySkipping = false;
    if (chart === null || words.length < 7) {
      if (!isSkipping) problem(chart === null ? "no_chart" : "malformed", false);
      return;
    }
    const number = (index: number) => Number(naiveWireInteger(words[index] ?? ""));
    const end = {
      updateEverySec: number(1),
      firstSec: number(2),
      lastSec: number(3),
      isStreaming: text(4) === "true",
      afterSec: number(5),
      beforeSec: number(6),
      senderNowSec: number(7),
    };
    this.call(`replayed ${chart.id} ${JSON.stringify(end)} ${this.decoder.nowUs}`);
  }

  private finishRow(): void {
    const { row } = this;
    this.row = null;
    if (row === null) return;
    const { chart, head, isReset } = row;
    this.call(`replay ${chart.id} ${head} ${isReset} ${count(row)} ${this.decoder.nowUs} ${setTexts(row)}`);
  }

  private finalBegin(words: string[], text: Text, problem: Problem): void {
    this.decoder.abandon();
    this.abandonFinal();
    const isWhole = words.length >= 5;
    const chart = isWhole ? (this.decoder.charts.get(text(1)) ?? null) : null;
    this.decoder.subject = chart;
    this.decoder.isSkipping = chart === null;
    this.isFinalSkipping = chart === null;
    if (chart === null) {
      problem(isWhole ? "no_chart" : "malformed", false);
      return;
    }
    const [every, end] = [words[2]!, words[3]!].map((word) => Number(naiveWireInteger(word)));
    const now = words[4] === "#" ? end : Number(naiveWireInteger(words[4]!));
    this.final = { head: `${every} ${end} ${now}`, chart, isReset: false, sets: new Map() };
  }

  private finalSet(words: string[], text: Text, problem: Problem): void {
    const dimension = this.final?.chart.dimensions.indexOf(text(1)) ?? -1;
    if (this.final === null) problem("no_chart", true);
    else if (words.length < 5) problem("malformed", true);
    else if (dimension < 0) problem("no_dimension", true);
    else {
      const collected = Number(naiveWireInteger(words[2]!));
      const value = finalValue(words[3] === "#" ? String(collected) : words[3]!, words[4]);
      set(this.final, dimension, `${numberText(value)}(${numberText(collected)})`, words[4]);
    }
  }

  private finalEnd(problem: Problem): void {
    const { final, isFinalSkipping } = this;
    this.final = null;
    this.isFinalSkipping = false;
    if (final === null) {
      if (!isFinalSkipping) problem("no_chart", false);
      return;
    }
    const { chart, head, isReset } = final;
    this.call(`final ${chart.id} ${head} ${isReset} ${count(final)} ${this.decoder.nowUs} ${setTexts(final)}`);
  }
}

function keep(labels: Map<string, string>, name: string, value: string, source: string, problem: Problem): void {
  // The texts of these tests are short enough to be kept whole, but for the longest names.
  const kept = cut(name, 200);
  if (kept === "" || (labels.size >= 100 && !labels.has(kept))) problem("malformed", false);
  else {
    const label = { name: kept, value: cut(value, 700), source: Number(BigInt.asUintN(4, naiveInteger(source))) };
    labels.set(kept, JSON.stringify(label));
  }
}

function cut(text: string, bytes: number): string {
  let kept = text;
  while (Buffer.byteLength(kept) > bytes) kept = kept.slice(0, -1);
  return kept;
}

function finalValue(word: string, flags = ""): number {
  return flags.includes("E") ? Number.NaN : naiveDouble(word);
}

function set(row: Row, dimension: number, text: string, flags = ""): void {
  row.sets.set(dimension, { text, count: (row.sets.get(dimension)?.count ?? 0) + 1 });
  if (flags.includes("R")) row.isReset = true;
}

function count(row: Row | null): number {
  return [...(row?.sets.values() ?? [])].reduce((sum, each) => sum + each.count, 0);
}

function setTexts(row: Row): string {
  const order = [...row.sets].sort(([a], [b]) => a - b);
  return order.map(([index, each]) => ` ${index}=${each.text}x${Math.min(255, each.count)}`).join("");
}

/** Collections and width: what agents of our kind say, else what can be concluded. */
function toldState(words: readonly string[]): string {
  if (words.length < 8) {
    const magnitude = BigInt.asIntN(64, naiveWireInteger(words[3]!));
    const isWide = (magnitude < 0n ? -magnitude : magnitude) > 0xffffffffn;
    return `${Number(naiveWireInteger(words[2]!) > 0n)} ${isWide}`;
  }
  const collections = naiveWireInteger(words[6]!);
  return `${collections > 2n ? 2 : collections < 0n ? 0 : collections} ${naiveWireInteger(words[7]!) !== 0n}`;
}
