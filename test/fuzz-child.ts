import { capturedLines, mutate } from "./fuzz-lines.ts";
import { oddNumber, someSecond, someValue } from "./fuzz-numbers.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** Charts one child speaks of, those it never defined left out. */
const CHARTS = 12;
const DIMENSIONS = ["a", "b", "user time", "µs", "x'y", "\xe2\x82", "d\\", "", "very-".repeat(60), "e0"];
const ALGORITHMS = [
  "absolute",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
  "nothing-known",
];
const OPTIONS = ["", " ", "obsolete", "hidden", "store_first", "obsolete hidden detail", "noreset", "nooverflow x"];
const TEXTS = ["", "t", "(NULL)", "A title (f.c1)", "\xff\xfe", "w ".repeat(600), "=", "\\"];
const INTERVALS = ["0", "0", "1000000", "1000000", "999943", "2000100", "60000000", "1", "9000000000"];
const OLD_LINES = capturedLines();

/**
 * Writes what a child may say when everything was agreed: each production of the grammar in place and out of place,
 * with numbers that may be anything. As latin1 text, each line with its newline.
 */
export class FuzzChild {
  private nowSec = 0;

  /** @param nowSec its clock. */
  write(random: SeededRandom, nowSec: number): string {
    this.nowSec = nowSec;
    const kinds = [
      () => this.definition(random),
      () => this.definition(random),
      () => this.iteration(random),
      () => this.iteration(random),
      () => this.iteration(random),
      () => this.replay(random),
      () => this.replay(random),
      () => this.final(random),
      () => this.final(random),
      () => hostLabels(random),
      () => this.extension(random),
      () => this.flood(random),
      () => this.many(random),
      () => this.alone(random),
      () => this.alone(random),
      () =>
        `VARIABLE ${random.pick(["HOST", "CHART", "LOCAL", "", "x"])} v${random.below(150)} = ${someValue(random)}\n`,
      () =>
        random.pick(["FLUSH\n", "END\n", "END2\n", "CHART_DEFINITION_END\n", "\n", "REND\n", "FUNCTION x\n", "??\n"]),
      () => random.pick(OLD_LINES).toString("latin1"),
    ];
    return spoil(random.pick(kinds)(), random);
  }

  private chart(random: SeededRandom): string {
    if (random.chance(4))
      return random.pick(["none.such", "nodot", ".x", "x.", "", "a.".repeat(300), "SLOT:1", "f.\x01"]);
    return `f.c${random.below(CHARTS)}`;
  }

  private definition(random: SeededRandom): string {
    const text = () => `"${random.pick(TEXTS)}"`;
    const every = random.chance(90) ? "1" : random.pick(["2", "5", "0", "-1", "3600", "1000000", oddNumber(random)]);
    const id = this.chart(random);
    const head = `CHART "${id}" ${text()} ${text()} "u" ${text()} ${text()} ${random.pick(["line", "area", "pie"])}`;
    let lines = `${head} ${random.chance(90) ? 100 : oddNumber(random)} ${every} "${random.pick(OPTIONS)}" "p" "m"\n`;
    for (let n = random.below(4); n > 0; n--) {
      lines += `CLABEL "l${random.below(120)}" "${random.pick(TEXTS)}" ${random.chance(90) ? 1 : oddNumber(random)}\n`;
    }
    if (random.chance(60)) lines += "CLABEL_COMMIT\n";
    for (let n = random.below(5); n > 0; n--) lines += this.dimension(random);
    if (random.chance(10)) lines += `VARIABLE CHART v${random.below(150)} = ${someValue(random)}\n`;
    return random.chance(30) ? lines : lines + this.definitionEnd(random);
  }

  private dimension(random: SeededRandom): string {
    const scale = () => (random.chance(80) ? random.pick(["1", "8", "-1000", "1024"]) : oddNumber(random));
    const id = random.chance(90) ? random.pick(DIMENSIONS) : `n${random.below(1000)}`;
    return `DIMENSION "${id}" "" ${random.pick(ALGORITHMS)} ${scale()} ${scale()} "${random.pick(OPTIONS)}"\n`;
  }

  private definitionEnd(random: SeededRandom): string {
    const [first, last, now] = [1, 2, 3].map(() => someSecond(random, this.nowSec));
    const ranges = [
      `0 0 ${this.nowSec}`,
      `${this.nowSec - 100} ${this.nowSec} ${this.nowSec}`,
      `${first} ${last} ${this.nowSec}`,
      `${first} ${last} ${now}`,
    ];
    return `CHART_DEFINITION_END ${random.pick(ranges)}\n`;
  }

  private iteration(random: SeededRandom): string {
    let lines = `BEGIN ${quoted(random, this.chart(random))} ${random.chance(92) ? random.pick(INTERVALS) : oddNumber(random)}\n`;
    for (let n = random.below(6); n > 0; n--) {
      lines += `SET ${quoted(random, random.pick(DIMENSIONS))} = ${someValue(random)}\n`;
      if (random.chance(3)) lines += this.dimension(random);
    }
    return random.chance(5) ? lines : `${lines}END\n`;
  }

  private replay(random: SeededRandom): string {
    const id = this.chart(random);
    let lines = random.chance(95) ? `RBEGIN "${id}"\n` : "";
    let second = this.nowSec - random.below(140);
    for (let n = random.below(8); n > 0; n--) {
      const end = random.chance(90) ? `${++second}` : someSecond(random, this.nowSec);
      const start = random.chance(90) ? `${second - 1}` : someSecond(random, this.nowSec);
      lines += `RBEGIN '' ${start} ${end} ${random.chance(95) ? this.nowSec : someSecond(random, this.nowSec)}\n`;
      for (let k = random.below(4); k > 0; k--) {
        const value = random.chance(80) ? someValue(random) : "NAN";
        lines += `RSET ${quoted(random, random.pick(DIMENSIONS))} ${value} ${random.pick(['""', '"E"', '"R"', "A"])}\n`;
      }
      if (random.chance(5)) lines += this.iteration(random);
    }
    if (random.chance(50)) lines += this.states(random);
    if (random.chance(5)) return lines;
    const [first, last, after, before] = [1, 2, 3, 4].map(() => someSecond(random, this.nowSec));
    const range = random.chance(70) ? `${this.nowSec - 100} ${this.nowSec}` : `${first} ${last}`;
    const now = random.chance(95) ? this.nowSec : someSecond(random, this.nowSec);
    return `${lines}REND 1 ${range} ${random.pick(["true", "true", "false"])} ${after} ${before} ${now}\n`;
  }

  private states(random: SeededRandom): string {
    const us = () =>
      random.chance(80) ? `${(this.nowSec - random.below(3)) * 1e6}` : `${someSecond(random, this.nowSec)}000000`;
    let lines = "";
    for (let n = random.below(4); n > 0; n--) {
      const more = random.chance(50) ? ` ${random.below(4)} ${random.below(2)}` : "";
      const values = `${someValue(random)} ${someValue(random)} ${someValue(random)}`;
      lines += `RDSTATE ${quoted(random, random.pick(DIMENSIONS))} ${us()} ${values}${more}\n`;
    }
    return `${lines}RSSTATE ${us()} ${random.chance(90) ? us() : oddNumber(random)}\n`;
  }

  private final(random: SeededRandom): string {
    const end = random.chance(80) ? `${this.nowSec - random.below(100)}` : someSecond(random, this.nowSec);
    let lines = `BEGIN2 '${this.chart(random)}' ${random.chance(95) ? "0x1" : oddNumber(random)} ${end} #\n`;
    for (let n = random.below(5); n > 0; n--) {
      const value = random.chance(40) ? "#" : someValue(random);
      const flags = random.pick(["A", "R", "E", "''"]);
      lines += `SET2 ${quoted(random, random.pick(DIMENSIONS))} ${someValue(random)} ${value} ${flags}\n`;
    }
    return random.chance(5) ? lines : `${lines}END2\n`;
  }

  private extension(random: SeededRandom): string {
    const second = () => someSecond(random, this.nowSec);
    return random.pick([
      () => "TRIBUTARY DEFINED\n",
      () => `TRIBUTARY MISSING ${second()}\n`,
      () => `TRIBUTARY PAST ${this.chart(random)} ${second()} ${second()}\n`,
      () => `TRIBUTARY ${oddNumber(random)} ${"w ".repeat(25)}\n`,
      () => `TRIBUTARY WRITTEN ${random.below(1000)} ${random.chance(70) ? random.below(9000) : oddNumber(random)}\n`,
      () => this.way(random),
    ])();
  }

  /** A line of a chart that was named some time ago, if at all; or one without an end. */
  private alone(random: SeededRandom): string {
    return random.pick([
      () => this.dimension(random),
      () => this.definitionEnd(random),
      () => this.states(random),
      () => `CLABEL "l${random.below(120)}" v 1\nCLABEL_COMMIT\n`,
      () => `VARIABLE CHART v${random.below(150)} = ${random.below(99)}\n`,
      () => "x".repeat(random.below(100_000)),
    ])();
  }

  /** More of something than anybody has. */
  private many(random: SeededRandom): string {
    const count = 60 + random.below(80);
    const each = (line: (n: number) => string) => Array.from({ length: count }, (_, n) => `${line(n)}\n`).join("");
    return random.pick([
      () => `${each((n) => `LABEL h${n} = 1 v`)}OVERWRITE labels\n`,
      () => `${this.definition(random)}${each((n) => `CLABEL l${n} v 1`)}CLABEL_COMMIT\n`,
      () => each((n) => `VARIABLE HOST v${n} = ${n}`),
      () => this.definition(random) + each((n) => `VARIABLE CHART v${n} = ${n}`),
      () => this.definition(random) + each((n) => `DIMENSION m${n}`),
      () => each((n) => `CHART m.c${n}`),
    ])();
  }

  /** How its values come to it, as an honest child says it, or nearly. */
  private way(random: SeededRandom): string {
    const count = 1 + random.below(11);
    const number = () => (random.chance(97) ? String(random.below(1e6)) : oddNumber(random));
    let lines = "";
    for (let position = 0; position < count; position++) {
      const amounts = Array.from({ length: random.chance(95) ? 12 : random.below(14) }, number).join(" ");
      const name = random.chance(90) ? "a proxy" : "\x1b[2J".repeat(1 + random.below(60));
      lines += `TRIBUTARY HOP ${position} ${count} guid-${random.below(3)} "${name}" ${number()} ${number()} ${amounts}\n`;
    }
    return lines;
  }

  /** The same thing again and again. */
  private flood(random: SeededRandom): string {
    const id = this.chart(random);
    const one = random.pick([
      () => `CHART "${id}" "" "" "" "" "" line 1 1\n${this.definitionEnd(random)}`,
      () => `RBEGIN "${id}"\nREND 1 0 ${this.nowSec} false 0 ${this.nowSec} ${this.nowSec}\n`,
      () => `TRIBUTARY PAST ${id} ${this.nowSec - 100} ${this.nowSec - 50}\n`,
      () => `CHART "${id}" "" "" "" "" "" line 1 1\nCLABEL l ${random.below(1e9)} 1\nCLABEL_COMMIT\n`,
      () => `LABEL l = 1 ${random.below(1e9)}\nOVERWRITE labels\n`,
      () => "RSET a 1 ''\n",
    ])();
    return one.repeat(5 + random.below(60));
  }
}

function hostLabels(random: SeededRandom): string {
  let lines = "";
  for (let n = random.below(8); n > 0; n--) {
    lines += `LABEL "h${random.below(130)}" = ${random.chance(90) ? 1 : oddNumber(random)} "${random.pick(TEXTS)}"\n`;
  }
  return random.chance(80) ? `${lines}OVERWRITE labels\n` : lines;
}

function quoted(random: SeededRandom, id: string): string {
  return random.chance(50) && !id.includes("'") ? `'${id}'` : `"${id}"`;
}

/** One in ten is spoilt: lines are left out, doubled, swapped, or damaged byte by byte. */
export function spoil(text: string, random: SeededRandom): string {
  if (!random.chance(10)) return text;
  const lines = text.split("\n").slice(0, -1);
  if (lines.length === 0) return text;
  const at = random.below(lines.length);
  const other = Buffer.from(`${random.pick(lines)}\n`, "latin1");
  const kinds = [
    () => lines.toSpliced(at, 1),
    () => lines.toSpliced(at, 0, ...lines.slice(at)),
    () => lines.toReversed(),
    () => lines.slice(0, at),
    () => lines.with(at, mutate(Buffer.from(`${lines[at]}\n`, "latin1"), other, random).toString("latin1")),
  ];
  return random
    .pick(kinds)()
    .map((line) => (line.endsWith("\n") ? line : `${line}\n`))
    .join("");
}
