import { readFileSync } from "node:fs";

const FOLDER = new URL("./fixtures/captures/", import.meta.url).pathname;

/** One line of a child, with the second of the recording in which it came. */
export interface CapturedLine {
  sec: number;
  /** As on the wire, newline included. */
  bytes: Buffer;
}

/**
 * What a child sent after the prompt, by connection, out of a recorded transcript (streaming.md §12): seconds, `<<` and
 * the text of the line.
 */
export function captureStreams(file: string): CapturedLine[][] {
  const streams: CapturedLine[][] = [];
  for (const line of readFileSync(FOLDER + file, "latin1").split("\n")) {
    const match = /^ *([0-9.]+) (<<|>>) ?(.*)$/.exec(line);
    if (match === null) continue;
    const [, sec, mark, text] = match;
    // The prompt of the test parent ends the request head; what comes then is the stream.
    if (mark === ">>" && text!.startsWith("PROMPT")) streams.push([]);
    else if (mark === "<<") streams.at(-1)?.push({ sec: Number(sec), bytes: Buffer.from(`${text}\n`, "latin1") });
  }
  return streams;
}

/** The decoded lines of the capture that was compressed. */
export function decodedLines(file: string): Buffer {
  const lines = readFileSync(FOLDER + file, "latin1").split("\n");
  return Buffer.from(lines.filter((line) => !/^(ver|frame|STATS|\.\.\.)/.test(line)).join("\n"), "latin1");
}
