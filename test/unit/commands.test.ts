import { describe, expect, test } from "bun:test";
import { CommandReader } from "../../agent/wire/commands.ts";
import { extensionLine, replayChartLine } from "../../agent/wire/encode-replay.ts";

class Recorder {
  readonly calls: string[] = [];
  readonly reader = new CommandReader({
    replayRequested: (id, starts, after, before) => this.calls.push(`replay ${id} ${starts} ${after} ${before}`),
    extension: (words) => this.calls.push(`extension ${JSON.stringify(words)}`),
    unknown: (line) => this.calls.push(`unknown ${line}`),
  });
}

const cases: { text: string; calls: string[] }[] = [
  {
    text: 'REPLAY_CHART "system.cpu" "true" 1795301433 1795301438\n',
    calls: ["replay system.cpu true 1795301433 1795301438"],
  },
  { text: 'REPLAY_CHART "a b.c" "false" 0 0\r\n', calls: ["replay a b.c false 0 0"] },
  { text: "REPLAY_CHART a.b true #B 0x10\n", calls: ["replay a.b true 1 16"] },
  { text: "REPLAY_CHART a.b true 5\n", calls: ["unknown REPLAY_CHART a.b true 5"] },
  {
    text: 'TRIBUTARY STORED 5 6\nTRIBUTARY 1 "guid" "a host"\n',
    calls: ['extension ["STORED","5","6"]', 'extension ["1","guid","a host"]'],
  },
  { text: "\n \r\n", calls: [] },
  { text: "NODE_ID x y\n", calls: ["unknown NODE_ID x y"] },
  {
    text: `TRIBUTARY ${"x".repeat(2000)}\nTRIBUTARY\n`,
    calls: [`unknown TRIBUTARY ${"x".repeat(990)}`, "extension []"],
  },
  { text: "no line end", calls: [] },
];

describe("commands of a parent", () => {
  test.each(cases)("$text", ({ text, calls }) => {
    for (const pieceBytes of [text.length, 1, 7]) {
      const { reader, calls: got } = new Recorder();
      for (let at = 0; at < text.length; at += pieceBytes) reader.feed(Buffer.from(text.slice(at, at + pieceBytes)));
      expect(got).toEqual(calls);
    }
  });

  test("are read as they are written", () => {
    const { reader, calls } = new Recorder();
    reader.feed(
      Buffer.from(replayChartLine("système.cpu 'x'", false, 5, 7) + extensionLine(["STORED", "12", 'a "b" c'])),
    );
    expect(calls).toEqual(["replay système.cpu 'x' false 5 7", 'extension ["STORED","12","a _b_ c"]']);
  });
});
