import { spoil } from "./fuzz-child.ts";
import { oddNumber, someSecond } from "./fuzz-numbers.ts";
import type { SeededRandom } from "./seeded-random.ts";

const VERSION = "Hit me baby, push them over with the version=";
const ODD_ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n",
  `${VERSION}9999999999999999999`,
  `${VERSION}-1`,
  `${VERSION}5`,
  `${VERSION}0`,
  VERSION,
  "Hit me baby",
  "The server is too busy now to accept this request. Try later.",
  "You are not permitted to access this. Check the logs for more info.",
  "\0\0\0\0",
  "",
  "x".repeat(5000),
];

/** The answer of a parent to our request. As latin1 text. */
export function fuzzAnswer(random: SeededRandom): string {
  if (random.chance(20)) return random.pick(ODD_ANSWERS);
  return random.pick([
    `${VERSION}4800`,
    `${VERSION}4800`,
    `${VERSION}21184`,
    `${VERSION}704`,
    "Hit me baby, push them over...",
  ]);
}

/**
 * What a parent may say after its answer: requests, what our kind says, and things nobody should. As latin1 text.
 * @param charts ids that it may have heard of. @param nowSec its clock.
 */
export function fuzzCommands(random: SeededRandom, charts: readonly string[], nowSec: number): string {
  const second = () => someSecond(random, nowSec);
  const chart = () =>
    charts.length > 0 && random.chance(90)
      ? random.pick(charts)
      : random.pick(["no.such", "", "x".repeat(500), "\xff.\xfe"]);
  const request = (id = chart()) => {
    const ranges = [
      `${nowSec - 100} ${nowSec}`,
      `${nowSec - 100} ${nowSec}`,
      "0 0",
      `1 ${nowSec}`,
      `${second()} ${second()}`,
    ];
    return `REPLAY_CHART "${id}" "${random.pick(["true", "true", "false", "", "TRUE"])}" ${random.pick(ranges)}\n`;
  };
  const stored = () => {
    const bytes = random.pick([() => String(random.below(100_000)), () => oddNumber(random)])();
    return `TRIBUTARY STORED ${bytes} ${random.chance(80) ? nowSec * 1e6 : oddNumber(random)} ${random.chance(50) ? 0 : second()} ${random.chance(50) ? 3600 : oddNumber(random)}\n`;
  };
  const kinds = [
    () => request(),
    () => charts.map((id) => request(id)).join(""),
    () => request().repeat(1 + random.below(200)),
    () => 'REPLAY_CHART "no.such" "true" 0 0\n'.repeat(1500),
    () => Array.from({ length: random.below(100) }, () => request()).join(""),
    () => `TRIBUTARY 1 ${random.pick(["a-guid", "", oddNumber(random)])} "a parent"\n`,
    stored,
    stored,
    () => `TRIBUTARY ${random.pick(["STORED", "1", "PAST", "", "2"])}${" w".repeat(random.below(30))}\n`,
    () => "FUNCTION a 1 x\n",
    () => `REPLAY_CHART ${"x".repeat(random.below(3000))}\n`,
    () => `${"y".repeat(random.below(100_000))}`,
    () => random.pick(ODD_ANSWERS),
  ];
  return spoil(random.pick(kinds)(), random);
}
