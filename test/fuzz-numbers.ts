import type { SeededRandom } from "./seeded-random.ts";

const HUGE = [
  "9007199254740991",
  "9223372036854775807",
  "-9223372036854775808",
  "18446744073709551616",
  "1e308",
  "-1e308",
  "1e999",
  "0x7fffffffffffffff",
  "-0xFFFFFFFFFFFFFFFF",
  "#//////////",
  "@//////////P",
  "%7FF8000000000000",
  "9".repeat(400),
];
const NO_NUMBERS = ["NaN", "NAN", "nan", "inf", "-inf", "Infinity", "-", "", "''", "#", "null", "1,5", "١٢", "\0"];

/** A number that no agent has any reason to write, or a word that is none. */
export function oddNumber(random: SeededRandom): string {
  const kinds = [
    () => random.pick(HUGE),
    () => random.pick(NO_NUMBERS),
    () => String(-random.below(2 ** 31)),
    () => String(random.next() * 10 ** random.below(40)),
    () => `0${random.below(8 ** 6)}`,
    () => String(BigInt.asIntN(64, random.bits(64))),
  ];
  return random.pick(kinds)();
}

/** A second of an interval around now, in most cases; else one long past, one to come, or none at all. */
export function someSecond(random: SeededRandom, nowSec: number): string {
  const kinds = [
    () => String(nowSec - random.below(150)),
    () => String(nowSec - random.below(150)),
    () => String(nowSec - random.below(150)),
    () => String(nowSec),
    () => String(nowSec + random.below(20)),
    () => String(nowSec - random.below(100_000)),
    () => String(nowSec + 10 ** random.below(10)),
    () => String(random.below(5)),
    () => oddNumber(random),
  ];
  return random.pick(kinds)();
}

/** A value as it is collected. */
export function someValue(random: SeededRandom): string {
  if (random.chance(10)) return oddNumber(random);
  return String(
    random.chance(50) ? random.below(1000) : BigInt.asIntN(64, random.bits(64) >> BigInt(random.below(64))),
  );
}
