import { laterLines, randomFinal, randomReplay } from "./random-later.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** How the lines of one child look. */
interface Spelling {
  set(id: string, value: string): string;
  begin(id: string, us: string): string;
  dimension(id: string): string;
}

const BARE: Spelling = {
  set: (id, value) => `SET ${id} = ${value}`,
  begin: (id, us) => `BEGIN ${id} ${us}`,
  dimension: (id) => `DIMENSION '${id}' '${id}' 'incremental' 1 1 ' '`,
};
const QUOTED: Spelling = {
  set: (id, value) => `SET "${id}" = ${value}`,
  begin: (id, us) => `BEGIN "${id}" ${us}`,
  dimension: (id) => `DIMENSION "${id}" "${id}" "absolute" 1 1 "  "`,
};
const SINGLE: Spelling = { ...QUOTED, set: (id, value) => `SET '${id}' = ${value}` };
const LOOSE: Spelling = {
  set: (id, value) => `SET\t'${id}'  ${value}`,
  begin: (id, us) => `  BEGIN  '${id}'\t${us}`,
  dimension: (id) => `DIMENSION ${id}`,
};
const SPELLINGS = [BARE, BARE, QUOTED, QUOTED, SINGLE, LOOSE];

/** Ids that fit into a prediction, ids that do not, and ids that are nasty inside quotes. */
const ID_TAILS = ["a", "b", "cpu0", "a-rather-long-dimension-name", "x".repeat(300), "it's", "µs", "\xe2\x82", "d\\e"];

interface RandomChart {
  id: string;
  spelling: Spelling;
  dimensions: string[];
  /** The order in which this child sends them. */
  order: number[];
}

/**
 * Writes the lines of a child that behaves most of the time: the same charts and dimensions in the same order, and
 * now and then everything that a stream may hold beside (streaming.md §2, §3).
 */
export class RandomStream {
  private readonly random: SeededRandom;
  /** Percentage of lines that are not what came a round before. */
  private readonly oddness: number;
  private readonly charts: RandomChart[] = [];

  constructor(random: SeededRandom, oddness: number) {
    this.random = random;
    this.oddness = oddness;
    const count = 1 + random.below(4);
    for (let index = 0; index < count; index++) this.charts.push(this.newChart(index));
  }

  /** @returns definitions and `rounds` iterations of every chart, as latin1 text, each line with its newline. */
  write(rounds: number): string {
    const { random } = this;
    let text = "";
    for (const chart of this.charts) text += this.definition(chart);
    for (let round = 0; round < rounds; round++) {
      for (const chart of this.charts) {
        if (this.odd()) text += this.oddLine();
        if (this.odd()) text += this.change(chart);
        if (this.odd()) text += randomReplay(random, chart.id, chart.dimensions);
        if (this.odd()) text += randomFinal(random, chart.id, chart.dimensions);
        if (!this.odd()) text += this.iteration(chart);
      }
    }
    return text;
  }

  private odd(): boolean {
    return this.random.chance(this.oddness);
  }

  private newChart(index: number): RandomChart {
    const spelling = this.random.pick(SPELLINGS);
    const dimensions = Array.from({ length: this.random.below(12) }, () => this.newId(spelling));
    return { id: `type${index}.name`, spelling, dimensions, order: dimensions.map((_, at) => at) };
  }

  private newId(spelling: Spelling): string {
    const tail = this.random.pick(ID_TAILS);
    const id = `${tail}${this.random.below(30)}`;
    if (spelling === BARE || spelling === LOOSE) return id.replaceAll("'", "");
    return this.random.chance(10) ? `${id} with blanks` : id;
  }

  private definition(chart: RandomChart): string {
    const { random } = this;
    let text = `CHART "${chart.id}" "" "A title" "units" "family" "context" "line" ${random.below(2000)} 1 "" "p" "m"\n`;
    for (const id of chart.dimensions) {
      text += `${chart.spelling.dimension(id)}\n`;
      if (this.odd()) text += this.oddLine();
    }
    return text;
  }

  /** Dimensions that come later, with the definition again or without; another order. */
  private change(chart: RandomChart): string {
    const { random } = this;
    if (random.chance(40)) {
      chart.order = chart.order
        .map((at) => ({ at, key: random.next() }))
        .sort((a, b) => a.key - b.key)
        .map(({ at }) => at);
      return "";
    }
    const id = this.newId(chart.spelling);
    chart.order.push(chart.dimensions.push(id) - 1);
    return random.chance(60) ? this.definition(chart) : `${chart.spelling.dimension(id)}\n`;
  }

  private iteration(chart: RandomChart): string {
    const { random } = this;
    const isReversed = this.odd();
    const order = isReversed ? [...chart.order].reverse() : chart.order;
    let text = `${chart.spelling.begin(chart.id, this.odd() ? this.value() : String(random.below(2_000_000)))}\n`;
    for (const at of order) {
      if (this.odd()) continue;
      if (this.odd()) text += this.oddLine();
      if (this.random.chance(this.oddness / 8)) text += this.change(chart);
      const spelling = this.odd() ? random.pick(SPELLINGS) : chart.spelling;
      text += `${spelling.set(chart.dimensions[at]!, this.value())}\n`;
      if (this.odd()) text += `${spelling.set(chart.dimensions[at]!, this.value())}\n`;
    }
    return this.odd() ? text : `${text}END\n`;
  }

  private value(): string {
    const { random } = this;
    const sign = random.chance(20) ? "-" : "";
    if (!this.odd()) return sign + String(random.below(10 ** (1 + random.below(10))));
    const digits = (count: number) => Array.from({ length: count }, () => random.below(10)).join("");
    const forms = [
      () => `0x${random.bits(40).toString(16)}`,
      () => `0X${random.bits(64).toString(16).toUpperCase()}`,
      () => `0${digits(1 + random.below(8))}`,
      () => `+${digits(3)}`,
      () => digits(14 + random.below(8)),
      () => `1${"0".repeat(14 + random.below(6))}`,
      () => String(2n ** 53n + BigInt(random.below(9)) - 4n),
      () => String(2n ** 63n + BigInt(random.below(9)) - 4n),
      () => `${digits(4)}\r`,
      () => `${digits(4)} `,
      () => `${digits(4)} more words`,
      () => `"${digits(4)}"`,
      () => `' ${digits(4)}'`,
      () => `${digits(2)}.5`,
      () => "0",
      () => "",
      () => "''",
      () => "abc",
      () => "9".repeat(60),
      () => "0".repeat(40),
    ];
    return sign + random.pick(forms)();
  }

  private oddLine(): string {
    const { random } = this;
    const id = `type${random.below(9)}.name`;
    const lines = [
      "",
      "\r",
      "   \t ",
      "# a comment",
      "FLUSH",
      "DISABLE",
      "END",
      "BEGIN",
      `BEGIN ${id}`,
      `BEGIN "${id}" 1000000`,
      "BEGIN no.such 5",
      "SET",
      "SET alone",
      "SET a0 = 5",
      "SET nobody = 5",
      "SET 'a0' =",
      "CHART",
      "CHART nodot",
      "CHART .x",
      "CHART 'type.'",
      `CHART ${id}`,
      `CHART 'new${random.below(30)}.chart' 'name' 'title' 'units' '' '' area 0x10 010`,
      "DIMENSION",
      "DIMENSION later",
      "DIMENSION 'later2' '' 'incremental' -1 0 'hidden noreset'",
      "VARIABLE HOST active_processors = 2.0000000",
      "VARIABLE CHART total = 1e3",
      "VARIABLE free = 7",
      "VARIABLE HOST x = nonsense",
      'FUNCTION GLOBAL "f" 10 "help" "top" 0x13 101 0',
      ...laterLines(random, id),
      "end",
      "set a0 = 1",
      "w ".repeat(30),
      "'an open quote = kept",
      "\\",
      `unknown ${"y".repeat(random.below(700))}`,
    ];
    return `${random.pick(lines)}\n`;
  }
}
