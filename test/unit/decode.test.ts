import { describe, expect, test } from "bun:test";
import { LINE_BYTES_MAX } from "../../agent/base/limits.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { type RecordedChart, StreamRecorder } from "../stream-recorder.ts";

const NOW_US = 5_000_000;

/** A decoder that has seen chart `t.c` with dimensions `alpha` and `beta` twice: every line of it is predicted. */
class Fixture {
  readonly recorder = new StreamRecorder();
  readonly decoder = new StreamDecoder<RecordedChart>(this.recorder);

  constructor() {
    const round = "BEGIN t.c 1000000\nSET alpha = 1\nSET beta = 2\nEND\n";
    this.feed(`CHART t.c\nDIMENSION alpha\nDIMENSION beta\n${round}${round}${round}`);
    this.recorder.calls.length = 0;
    this.recorder.rawBlocks = 0;
  }

  /** @returns the calls it led to. */
  feed(text: string, encoding: BufferEncoding = "latin1"): string[] {
    const from = this.recorder.calls.length;
    expect(this.decoder.feed(Buffer.from(text, encoding), NOW_US)).toBe(true);
    return this.recorder.calls.slice(from);
  }
}

/** What one iteration of `t.c` leads to. */
const commit = (values: string, us = 1_000_000) => `commit t.c ${us} ${NOW_US} ${values}`;
const BEGIN = "BEGIN t.c 1000000\n";

const cases: { name: string; lines: string; calls: string[] }[] = [
  { name: "as before", lines: `${BEGIN}SET alpha = 5\nSET beta = -6\nEND\n`, calls: [commit("0=5x1 1=-6x1")] },
  { name: "reversed", lines: `${BEGIN}SET beta = 6\nSET alpha = 5\nEND\n`, calls: [commit("0=5x1 1=6x1")] },
  { name: "only the second", lines: `${BEGIN}SET beta = 6\nEND\n`, calls: [commit("1=6x1")] },
  { name: "only the first", lines: `${BEGIN}SET alpha = 6\nEND\n`, calls: [commit("0=6x1")] },
  { name: "none", lines: `${BEGIN}END\n`, calls: [commit("")] },
  {
    name: "one dimension twice, the last wins",
    lines: `${BEGIN}SET alpha = 1\nSET alpha = 2\nSET beta = 3\nSET alpha = 4\nEND\n`,
    calls: [commit("0=4x3 1=3x1")],
  },
  { name: "hexadecimal", lines: `${BEGIN}SET alpha = 0x10\nSET beta = 6\nEND\n`, calls: [commit("0=16x1 1=6x1")] },
  { name: "octal", lines: `${BEGIN}SET alpha = 010\nSET beta = 6\nEND\n`, calls: [commit("0=8x1 1=6x1")] },
  { name: "CR line ends", lines: `${BEGIN}SET alpha = 5\r\nSET beta = 6\r\nEND\r\n`, calls: [commit("0=5x1 1=6x1")] },
  { name: "blank behind", lines: `${BEGIN}SET alpha = 5 \nSET beta = 6 x\nEND \n`, calls: [commit("0=5x1 1=6x1")] },
  { name: "no number", lines: `${BEGIN}SET alpha = \nSET beta = ''\nEND\n`, calls: [commit("")] },
  { name: "text", lines: `${BEGIN}SET alpha = x\nSET beta = -\nEND\n`, calls: [commit("0=0x1 1=0x1")] },
  { name: "minus nought", lines: `${BEGIN}SET alpha = -0\nSET beta = 0\nEND\n`, calls: [commit("0=0x1 1=0x1")] },
  {
    name: "15 to 18 digits",
    lines: `${BEGIN}SET alpha = 999999999999999\nSET beta = -123456789012345678\nEND\n`,
    calls: [commit("0=999999999999999x1 1=-123456789012345678x1")],
  },
  {
    name: "19 digits and more",
    lines: `${BEGIN}SET alpha = 9223372036854775807\nSET beta = -99999999999999999999\nEND\n`,
    calls: [commit("0=9223372036854775807x1 1=-9223372036854775808x1")],
  },
  {
    name: "a word of nines as µs",
    lines: `BEGIN t.c ${"9".repeat(15)}\nEND\nBEGIN t.c -5\nEND\nBEGIN t.c 0x10\nEND\nBEGIN t.c\nEND\n`,
    calls: [commit("", 999_999_999_999_999), commit("", 0), commit("", 16), commit("", 0)],
  },
  {
    name: "BEGIN without END",
    lines: `${BEGIN}SET alpha = 5\n${BEGIN}SET beta = 6\nEND\n`,
    calls: ["abandoned 1", commit("1=6x1")],
  },
  {
    name: "FLUSH",
    lines: `${BEGIN}SET alpha = 5\nSET beta = 6\nFLUSH\nEND\n`,
    calls: ["abandoned 2", "problem no_chart false END"],
  },
  { name: "FLUSH of nothing", lines: "FLUSH\n", calls: [] },
  {
    name: "lines without BEGIN",
    lines: "SET alpha = 5\nEND\n",
    calls: ["problem no_chart true SET alpha = 5", "problem no_chart false END"],
  },
  {
    name: "unknown dimension",
    lines: `${BEGIN}SET gamma = 5\nSET beta = 6\nEND\n`,
    calls: ["problem no_dimension true SET gamma = 5", commit("1=6x1")],
  },
  {
    name: "unknown chart: its SETs are values that are lost, its END is none",
    lines: "BEGIN no.such 0\nSET alpha = 5\nEND\n",
    calls: ["problem no_chart false BEGIN no.such 0", "problem no_chart true SET alpha = 5"],
  },
  {
    name: "bad chart id: all up to the next CHART or BEGIN is ignored",
    lines: `CHART nodot\nDIMENSION x\n${BEGIN}SET alpha = 5\nEND\nEND\n`,
    calls: ["problem malformed false CHART nodot", commit("0=5x1"), "problem no_chart false END"],
  },
  { name: "keywords in small letters", lines: "begin t.c 0\n", calls: ["problem unknown false begin t.c 0"] },
  {
    name: "lines of later generations are passed over",
    lines: 'FUNCTION GLOBAL "f" 10 "help" "top" 0x13 101 0\nCLAIMED_ID a NULL\nHOST x\n',
    calls: [],
  },
  { name: "DISABLE", lines: "DISABLE\n", calls: ["disable"] },
  { name: "empty lines", lines: "\n\r\n \t\n", calls: [] },
];

describe("decoder with learned lines", () => {
  test.each(cases)("$name", ({ lines, calls }) => {
    const whole = new Fixture();
    expect(whole.feed(lines)).toEqual(calls);
    expect(whole.recorder.rawFaults).toEqual([]);
    const bytewise = new Fixture();
    for (const byte of lines) bytewise.feed(byte);
    expect(bytewise.recorder.calls).toEqual(calls);
    // Nothing of it may stay behind.
    expect(whole.feed(`FLUSH\n${BEGIN}SET alpha = 8\nSET beta = 9\nEND\n`).at(-1)).toBe(commit("0=8x1 1=9x1"));
  });

  test("a dimension defined between two iterations is known in the next", () => {
    const fixture = new Fixture();
    const calls = fixture.feed(`DIMENSION gamma\n${BEGIN}SET alpha = 1\nSET beta = 2\nSET gamma = 3\nEND\n`);
    expect(calls.slice(1)).toEqual([commit("0=1x1 1=2x1 2=3x1")]);
    expect(fixture.feed(`CHART t.c\nDIMENSION delta\n${BEGIN}SET alpha = 1\nSET beta = 2\nEND\n`).slice(2)).toEqual([
      commit("0=1x1 1=2x1"),
    ]);
  });

  test("a dimension defined inside an iteration is known at once", () => {
    const fixture = new Fixture();
    const calls = fixture.feed(`${BEGIN}SET alpha = 1\nDIMENSION gamma\nSET gamma = 3\nEND\n`);
    expect(calls.slice(1)).toEqual([commit("0=1x1 2=3x1")]);
  });

  test("DIMENSION and VARIABLE CHART belong to the chart of the last BEGIN, also a predicted one", () => {
    const fixture = new Fixture();
    fixture.feed("CHART u.v\nDIMENSION other\nBEGIN u.v 0\nSET other = 1\nEND\n");
    const round = `${BEGIN}SET alpha = 1\nSET beta = 2\nEND\nBEGIN u.v 0\nSET other = 1\nEND\n`;
    fixture.feed(round + round + round);
    const calls = fixture.feed(`${BEGIN}SET alpha = 1\nSET beta = 2\nEND\nVARIABLE CHART x = 1\nDIMENSION late\n`);
    expect(calls.slice(1).map((call) => call.split(" ", 2).join(" "))).toEqual(["variable t.c", "dimension t.c"]);
  });

  test("300 SETs of one dimension count as 300", () => {
    const fixture = new Fixture();
    const [call] = fixture.feed(`${BEGIN}${"SET alpha = 1\n".repeat(300)}END\n`);
    // The count of one dimension saturates at 255, the count of the row does not.
    expect(call).toBe(commit("0=1x255 setCount 300"));
  });
});

describe("raw blocks", () => {
  const canonical = `${BEGIN}SET alpha = 5\nSET beta = -123456789012345678\nEND\n`;

  test("a whole predicted iteration in one chunk is offered as it came", () => {
    const fixture = new Fixture();
    fixture.feed(canonical + canonical);
    expect(fixture.recorder.rawBlocks).toBe(2);
    expect(fixture.recorder.rawFaults).toEqual([]);
  });

  const cases: { name: string; lines: string }[] = [
    { name: "a line that other receivers die of", lines: `${BEGIN}SET alpha = 5\n# comment\nSET beta = 6\nEND\n` },
    { name: "FUNCTION", lines: `${BEGIN}SET alpha = 5\nFUNCTION GLOBAL "x" 1\nSET beta = 6\nEND\n` },
    { name: "VARIABLE", lines: `${BEGIN}SET alpha = 5\nVARIABLE CHART x = 1\nSET beta = 6\nEND\n` },
    { name: "DIMENSION", lines: `${BEGIN}SET alpha = 5\nDIMENSION beta\nSET beta = 6\nEND\n` },
    { name: "an empty line", lines: `${BEGIN}SET alpha = 5\n\nSET beta = 6\nEND\n` },
    { name: "an unknown dimension", lines: `${BEGIN}SET alpha = 5\nSET gamma = 6\nSET beta = 6\nEND\n` },
    { name: "an octal number", lines: `${BEGIN}SET alpha = 05\nSET beta = 6\nEND\n` },
    { name: "an END with CR", lines: `${BEGIN}SET alpha = 5\nSET beta = 6\nEND\r\n` },
  ];
  test.each(cases)("not with $name inside", ({ lines }) => {
    const fixture = new Fixture();
    fixture.feed(lines);
    expect(fixture.recorder.rawBlocks).toBe(0);
    fixture.feed(canonical);
    expect(fixture.recorder.rawBlocks).toBe(1);
  });

  test("not when the chunk ends inside", () => {
    const fixture = new Fixture();
    for (let cut = 1; cut < canonical.length; cut++) {
      fixture.feed(canonical.slice(0, cut));
      fixture.feed(canonical.slice(cut));
    }
    // Cuts inside the BEGIN line leave no whole line of it in the second chunk either.
    expect(fixture.recorder.rawBlocks).toBe(0);
  });

  const odd = ["SET\tgamma = ", "SET gamma=", "SET gamma ", "SET  gamma = ", "  SET gamma = ", "SET 'gamma'= "];
  test.each(odd)("never of a chart that is spelled %p", (head) => {
    const fixture = new Fixture();
    const round = `${BEGIN}SET alpha = 1\nSET beta = 2\n${head}3\nEND\n`;
    fixture.feed(`DIMENSION gamma\n${round}${round}`);
    expect(fixture.feed(round)).toEqual([commit("0=1x1 1=2x1 2=3x1")]);
    expect(fixture.recorder.rawBlocks).toBe(0);
  });

  test("never of a chart with ids that are not UTF-8: its definitions are passed on under another text", () => {
    for (const id of ["caf\xe9", "\xf0\x9f\x98", "a\xe2\x82"]) {
      const fixture = new Fixture();
      const round = `${BEGIN}SET ${id} = 3\nEND\n`;
      fixture.feed(`DIMENSION ${id}\n${round}${round}${round}`);
      expect(fixture.recorder.rawBlocks).toBe(0);
    }
  });

  test("of ids in quotes and in UTF-8", () => {
    for (const id of ["'a b'", '"it\'s"', "µs", "a\\b"]) {
      const fixture = new Fixture();
      const round = `BEGIN t.c 0\nSET ${id} = 3\nEND\n`;
      fixture.feed(`DIMENSION ${id}\n${round}${round}${round}${round}`, "utf8");
      expect(fixture.recorder.rawBlocks).toBeGreaterThan(0);
      expect(fixture.recorder.rawFaults).toEqual([]);
    }
  });
});

describe("bounds", () => {
  const line = (length: number) => `${"x".repeat(length - 1)}\n`;

  test.each([7, 4096, 1 << 20])("a line of 64 KiB is read, a longer one ends the stream, in pieces of %d", (piece) => {
    const feedAll = (text: string) => {
      const recorder = new StreamRecorder();
      const decoder = new StreamDecoder<RecordedChart>(recorder);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += piece) {
        if (!decoder.feed(bytes.subarray(at, at + piece), NOW_US)) return { ok: false, calls: recorder.calls.length };
      }
      return { ok: true, calls: recorder.calls.length };
    };
    expect(feedAll(`first\n${line(LINE_BYTES_MAX)}last\n`)).toEqual({ ok: true, calls: 3 });
    // What came before is taken, what comes behind is not.
    expect(feedAll(`first\n${line(LINE_BYTES_MAX + 1)}last\n`)).toEqual({ ok: false, calls: 1 });
    expect(feedAll(`first\nSET a = ${"1".repeat(LINE_BYTES_MAX)}`)).toEqual({ ok: false, calls: 1 });
  });

  test("the buffer for partial lines never takes more than the longest line", () => {
    const decoder = new StreamDecoder<RecordedChart>(new StreamRecorder());
    for (const length of [1, 600, 40_000, 65_535, 10]) {
      for (let at = 0; at < length; at += 100) {
        expect(decoder.feed(Buffer.alloc(Math.min(100, length - at), 0x41), NOW_US)).toBe(true);
      }
      expect(decoder.feed(Buffer.from("\n"), NOW_US)).toBe(true);
      expect(decoder["carry"]!.length).toBeLessThanOrEqual(LINE_BYTES_MAX);
    }
  });

  test("an empty chunk changes nothing", () => {
    const fixture = new Fixture();
    fixture.feed("BEGIN t.c 1000000\nSET al");
    fixture.feed("");
    expect(fixture.feed("pha = 5\nEND\n")).toEqual([commit("0=5x1")]);
  });

  test("the end of the stream gives up what is open", () => {
    const fixture = new Fixture();
    fixture.feed(`${BEGIN}SET alpha = 5\nSET be`);
    fixture.decoder.end();
    expect(fixture.recorder.calls).toEqual(["abandoned 1"]);
    fixture.decoder.end();
    expect(fixture.recorder.calls).toHaveLength(1);
  });
});
