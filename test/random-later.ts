import type { SeededRandom } from "./seeded-random.ts";

/** Numbers as any generation writes them, and words that are none. */
function anyNumber(random: SeededRandom): string {
  const sign = random.chance(20) ? "-" : "";
  const digits = (alphabet: string, count: number) =>
    Array.from({ length: count }, () => alphabet[random.below(alphabet.length)]).join("");
  const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const forms = [
    () => String(random.below(10 ** (1 + random.below(10)))),
    () => (random.below(1e9) / 1000).toFixed(7),
    () => String(random.next() * 10 ** (random.below(40) - 20)),
    () => digits("0123456789", 14 + random.below(8)),
    () => `0x${digits("0123456789ABCDEF", 1 + random.below(18))}`,
    () => `#${digits(base64, 1 + random.below(12))}`,
    () => `@${digits(base64, 1 + random.below(12))}`,
    () => `%${digits("0123456789abcdefABCDEF", 1 + random.below(17))}`,
    () => random.pick(["#", "@", "%", "0x", ".", "", "NAN", "inf", "''", "#-", "@?", "1.5.2", "1e3", "1e999", "+2"]),
  ];
  return sign + random.pick(forms)();
}

function slot(random: SeededRandom): string {
  return random.chance(20) ? `SLOT:${anyNumber(random)} ` : "";
}

function quoted(random: SeededRandom, id: string): string {
  return random.chance(50) && !id.includes("'") ? `'${id}'` : `"${id}"`;
}

/** Dimensions in an order of this sender's, sometimes another, sometimes not all, sometimes one twice. */
function someOf(random: SeededRandom, dimensions: readonly string[]): string[] {
  const some = dimensions.filter(() => !random.chance(10));
  if (random.chance(10)) some.reverse();
  if (random.chance(10) && some.length > 0) some.push(some[0]!);
  return some;
}

/** An answer to REPLAY_CHART, whole most of the time. */
export function randomReplay(random: SeededRandom, chartId: string, dimensions: readonly string[]): string {
  let text = random.chance(95) ? `RBEGIN ${slot(random)}"${chartId}"\n` : "";
  const rows = random.below(5);
  for (let row = 0; row < rows; row++) {
    const end = random.chance(95) ? 1001 + row : random.below(3);
    text += `RBEGIN ${slot(random)}'' ${1000 + row} ${end} ${anyNumber(random)}\n`;
    for (const id of someOf(random, dimensions)) {
      const flags = random.pick(["", ' ""', " A", ' "R"', ' "E"', " AR"]);
      text += `RSET ${slot(random)}${quoted(random, id)} ${anyNumber(random)}${flags}\n`;
    }
    if (random.chance(5)) text += `BEGIN ${chartId} 5\nEND\n`;
  }
  for (const id of someOf(random, dimensions)) {
    text += `RDSTATE ${slot(random)}${quoted(random, id)} ${Array.from({ length: random.pick([4, 6]) }, () => anyNumber(random)).join(" ")}\n`;
  }
  text += `RSSTATE ${anyNumber(random)} ${anyNumber(random)}\n`;
  return random.chance(10) ? text : `${text}REND 1 ${anyNumber(random)} 7 ${random.pick(["true", "false"])} 3 4 5\n`;
}

/** A final point, whole most of the time. */
export function randomFinal(random: SeededRandom, chartId: string, dimensions: readonly string[]): string {
  const now = random.chance(50) ? "#" : anyNumber(random);
  let text = `BEGIN2 ${slot(random)}${quoted(random, chartId)} 0x1 ${anyNumber(random)} ${now}\n`;
  for (const id of someOf(random, dimensions)) {
    const value = random.chance(30) ? "#" : anyNumber(random);
    const flags = random.pick(["A", "A", "R", "E", "''"]);
    text += `SET2 ${slot(random)}${quoted(random, id)} ${anyNumber(random)} ${value} ${flags}\n`;
  }
  return random.chance(10) ? text : `${text}END2\n`;
}

/** Single lines of later generations, in and out of place. */
export function laterLines(random: SeededRandom, chartId: string): string[] {
  const number = () => anyNumber(random);
  return [
    `LABEL "l${random.below(5)}" = ${number()} "a value"`,
    `LABEL ${"n".repeat(random.below(300))} = 1 '${"v".repeat(random.below(900))}'`,
    "LABEL a = 1",
    "OVERWRITE labels",
    "OVERWRITE",
    `CLABEL "c${random.below(5)}" "eth 0" 536870913`,
    "CLABEL a b",
    "CLABEL_COMMIT",
    `CHART_DEFINITION_END ${number()} ${number()} ${number()}`,
    "CHART_DEFINITION_END 1 2",
    `RBEGIN ${chartId}`,
    `RBEGIN '${chartId}' 5 6 7`,
    "RBEGIN '' 5 6 7",
    "RBEGIN '' 6 5",
    "RBEGIN",
    `RSET "a0" ${number()} ""`,
    "RSET 'nobody' 1 A",
    "RSET a0",
    "RSET",
    "RDSTATE a0 1 2 3 4",
    "RDSTATE a0 1 2",
    "RSSTATE 1",
    `REND ${number()} 2 3 true 5`,
    "REND 1 2 3 true 5 6",
    `BEGIN2 ${chartId} 1 ${number()} #`,
    "BEGIN2 no.such 1 2 #",
    "BEGIN2 x",
    `SET2 a0 ${number()} ${number()} A`,
    "SET2 a0 1 #",
    "END2",
    "TRIBUTARY",
    'TRIBUTARY 1 "a b" c',
    `CHART SLOT:#B 'slot${random.below(3)}.chart' '' 't'`,
    "CHART 'SLOT:1' x",
    "DIMENSION SLOT:#C 'slotted'",
    "DIMENSION 'SLOT:D' 'quoted'",
  ];
}
