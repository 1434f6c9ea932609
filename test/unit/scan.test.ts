import { describe, expect, test } from "bun:test";
import { splitWords, WORDS_MAX } from "../../agent/wire/scan.ts";
import { naiveWords } from "../naive-words.ts";
import { SeededRandom, TEST_SEED } from "../seeded-random.ts";

const spans = new Int32Array(2 * WORDS_MAX);

function wordsOf(line: string, before = "", after = ""): string[] {
  const bytes = Buffer.from(before + line + after, "latin1");
  const count = splitWords(bytes, before.length, before.length + line.length, spans);
  return Array.from({ length: count }, (_, i) => bytes.toString("latin1", spans[2 * i], spans[2 * i + 1]));
}

const cases: { line: string; words: string[] }[] = [
  { line: "BEGIN system.cpu 1000000", words: ["BEGIN", "system.cpu", "1000000"] },
  { line: "SET 'a b' =\t-7\r", words: ["SET", "a b", "-7"] },
  { line: "SET a=5", words: ["SET", "a", "5"] },
  { line: "SET a==5", words: ["SET", "a", "5"] },
  { line: "SET user = 26712", words: ["SET", "user", "26712"] },
  { line: `CHART "x.y" '' "t"`, words: ["CHART", "x.y", "", "t"] },
  { line: `DIMENSION "a" "b" "absolute" 1 1 "   "`, words: ["DIMENSION", "a", "b", "absolute", "1", "1", "   "] },
  { line: `"it's" 'say "no"'`, words: ["it's", 'say "no"'] },
  { line: `mid"quote mid'quote`, words: [`mid"quote`, "mid'quote"] },
  { line: `'a''b'c`, words: ["a", "b", "c"] },
  { line: "\ta\r=b \t", words: ["a", "b"] },
  { line: "", words: [] },
  { line: "  \t \r=", words: [] },
  { line: "'open quote = kept", words: ["open quote = kept"] },
  { line: "'", words: [""] },
  { line: "''", words: [""] },
  { line: "a\\ b c", words: ["a\\ b", "c"] },
  { line: "'a\\' b' c", words: ["a\\' b", "c"] },
  { line: "\\", words: ["\\"] },
  { line: "'\\", words: ["\\"] },
  { line: "a\\", words: ["a\\"] },
  { line: "\xe4\xff \x00 \x7f", words: ["\xe4\xff", "\x00", "\x7f"] },
  { line: "w ".repeat(30), words: Array<string>(20).fill("w") },
  { line: "'' ".repeat(21), words: Array<string>(20).fill("") },
];

describe("splitWords", () => {
  test.each(cases)("$line", ({ line, words }) => {
    expect(wordsOf(line)).toEqual(words);
    // What stands around the range changes nothing.
    expect(wordsOf(line, "'\\", "' more\\ words")).toEqual(words);
  });

  test("random lines, as the naive reader splits them", () => {
    const random = new SeededRandom(TEST_SEED);
    for (let run = 0; run < 5000; run++) {
      const line = Array.from({ length: random.below(40) }, () => random.pick([..."ab \t\r='\"\\"])).join("");
      expect(wordsOf(line, "x'", "y")).toEqual(naiveWords(line));
    }
  });

  test("a long line is split in one pass and never past its end", () => {
    expect(wordsOf("x".repeat(65_000))).toEqual(["x".repeat(65_000)]);
    expect(wordsOf("\\".repeat(65_001), "", "tail")).toEqual(["\\".repeat(65_001)]);
  });
});
