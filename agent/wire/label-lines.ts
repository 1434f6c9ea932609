import type { StreamDecoder } from "./decode.ts";
import type { LineWords } from "./line-words.ts";
import type { WireChart } from "./prediction.ts";
import { LABELS_MAX, type Label, type LineProblem, type StreamHandler } from "./stream-handler.ts";
import { cutUtf8, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX } from "./wire-text.ts";

/** The bits of a source that are one; the rest are the sender's own marks. */
const SOURCE_MASK = 15;

/** Labels of the host and of charts: they are gathered line by line, and count when the line that ends them comes. */
export class LabelLines<Chart> {
  private readonly decoder: StreamDecoder<Chart>;
  private readonly handler: StreamHandler<Chart>;
  private readonly hostLabels = new Map<string, Label>();
  private readonly chartLabels = new Map<string, Label>();
  /** The chart they are of. */
  private chart: WireChart<Chart> | null = null;

  constructor(decoder: StreamDecoder<Chart>, handler: StreamHandler<Chart>) {
    this.decoder = decoder;
    this.handler = handler;
  }

  /** @returns false if the line is none of labels. */
  read(keyword: string, words: LineWords): boolean {
    if (keyword === "LABEL") this.readLabel(words);
    else if (keyword === "OVERWRITE") this.readOverwrite(words);
    else if (keyword === "CLABEL") this.readChartLabel(words);
    else if (keyword === "CLABEL_COMMIT") this.readCommit(words);
    else return false;
    return true;
  }

  private readLabel(words: LineWords): void {
    if (words.count >= 4) this.keep(this.hostLabels, words, words.text(1), words.text(3), words.number(2));
    else this.problem("malformed", words);
  }

  private readOverwrite(words: LineWords): void {
    if (words.word(1) !== "labels") {
      this.problem("malformed", words);
      return;
    }
    const labels = [...this.hostLabels.values()];
    this.hostLabels.clear();
    this.handler.setLabels(labels);
  }

  private readChartLabel(words: LineWords): void {
    const { subject, isSkipping } = this.decoder;
    if (subject === null || words.count < 4) {
      if (!isSkipping) this.problem(subject === null ? "no_chart" : "malformed", words);
      return;
    }
    if (subject !== this.chart) this.chartLabels.clear();
    this.chart = subject;
    this.keep(this.chartLabels, words, words.text(1), words.text(2), words.number(3));
  }

  private readCommit(words: LineWords): void {
    const { subject, isSkipping } = this.decoder;
    const labels = subject === this.chart ? [...this.chartLabels.values()] : [];
    this.chartLabels.clear();
    this.chart = null;
    if (subject !== null) this.handler.setChartLabels(subject.handle, labels);
    else if (!isSkipping) this.problem("no_chart", words);
  }

  private keep(labels: Map<string, Label>, words: LineWords, name: string, value: string, source: number): void {
    const kept = cutUtf8(name, LABEL_NAME_BYTES_MAX);
    if (kept === "" || (labels.size >= LABELS_MAX && !labels.has(kept))) {
      this.problem("malformed", words);
      return;
    }
    labels.set(kept, { name: kept, value: cutUtf8(value, LABEL_VALUE_BYTES_MAX), source: source & SOURCE_MASK });
  }

  private problem(kind: LineProblem, words: LineWords): void {
    this.handler.problem(kind, words.line, false);
  }
}
