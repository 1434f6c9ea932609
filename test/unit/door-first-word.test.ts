import { describe, expect, test } from "bun:test";
import type { TakeStream } from "../../agent/base/stream-socket.ts";
import { checkWords, FirstWord } from "../../agent/door/first-word.ts";

const take: TakeStream = () => "";
const words = new Map([["STREAM", take]]);

/** Pushes the pieces until one decides. */
function read(...pieces: (string | Buffer)[]) {
  const reader = new FirstWord(words);
  for (const piece of pieces) {
    const opening = reader.push(Buffer.from(piece));
    if (opening.kind === "head") return ["head", opening.head.toString("latin1"), opening.rest.toString("latin1")];
    if (opening.kind === "other") return ["other", opening.bytes.toString("latin1")];
    if (opening.kind !== "more") return [opening.kind];
  }
  return ["more"];
}

const HEAD_MAX = 16_384;
/** A head of exactly `length` bytes. */
const headOf = (length: number) => `STREAM ${"a".repeat(length - 11)}\r\n\r\n`;

const cases: { name: string; pieces: string[]; result: string[] }[] = [
  { name: "one chunk", pieces: ["STREAM k HTTP/1.1\r\n\r\n"], result: ["head", "STREAM k HTTP/1.1\r\n\r\n", ""] },
  { name: "bytes after the head", pieces: ["STREAM k\r\n\r\nBEGIN"], result: ["head", "STREAM k\r\n\r\n", "BEGIN"] },
  {
    name: "raw blanks in the target",
    pieces: ["STREAM a=Debian GNU/Linux&b=12 (bookworm) HTTP/1.1\r\n\r\n"],
    result: ["head", "STREAM a=Debian GNU/Linux&b=12 (bookworm) HTTP/1.1\r\n\r\n", ""],
  },
  {
    name: "a second empty line belongs to the rest",
    pieces: ["STREAM k\r\n\r\n\r\n\r\n"],
    result: ["head", "STREAM k\r\n\r\n", "\r\n\r\n"],
  },
  { name: "word alone", pieces: ["STREAM"], result: ["more"] },
  { name: "part of the word", pieces: ["STR"], result: ["more"] },
  { name: "head without end", pieces: ["STREAM k HTTP/1.1\r\n"], result: ["more"] },
  { name: "GET", pieces: ["GET / HTTP/1.1\r\n"], result: ["other", "GET / HTTP/1.1\r\n"] },
  {
    name: "other word after a shared start",
    pieces: ["ST", "RANGE / HTTP/1.1"],
    result: ["other", "STRANGE / HTTP/1.1"],
  },
  { name: "longer word", pieces: ["STREAMS k"], result: ["other", "STREAMS k"] },
  { name: "lower case", pieces: ["stream k"], result: ["other", "stream k"] },
  { name: "word ends in a line end", pieces: ["STREAM\r\n\r\n"], result: ["other", "STREAM\r\n\r\n"] },
  { name: "16 bytes without a blank", pieces: ["ABCDEFGHIJKLMNOP"], result: ["other", "ABCDEFGHIJKLMNOP"] },
  { name: "zero bytes", pieces: ["\0\0\0"], result: ["other", "\0\0\0"] },
  { name: "blank first", pieces: [" STREAM k"], result: ["other", " STREAM k"] },
  { name: "longest head", pieces: [headOf(HEAD_MAX)], result: ["head", headOf(HEAD_MAX), ""] },
  { name: "longest head, then data", pieces: [`${headOf(HEAD_MAX)}DATA`], result: ["head", headOf(HEAD_MAX), "DATA"] },
  { name: "one byte too long", pieces: [headOf(HEAD_MAX + 1)], result: ["too_big"] },
  { name: "too long in pieces", pieces: [`STREAM ${"a".repeat(9000)}`, "b".repeat(9000)], result: ["too_big"] },
  {
    name: "long head in pieces",
    pieces: ["STREAM ", headOf(HEAD_MAX).slice(7, 9000), `${headOf(HEAD_MAX).slice(9000)}D`],
    result: ["head", headOf(HEAD_MAX), "D"],
  },
  { name: "end only after the limit", pieces: [`STREAM ${"a".repeat(16_377)}`, "\r\n\r\n"], result: ["too_big"] },
];

describe("FirstWord", () => {
  test.each(cases)("$name", ({ pieces, result }) => {
    expect(read(...pieces)).toEqual(result);
  });

  test("byte by byte", () => {
    const request = "STREAM key=1&h=a b HTTP/1.1\r\nUser-Agent: x\r\n\r\n";
    expect(read(...request)).toEqual(["head", request, ""]);
    expect(read(..."SEARCH / HTTP/1.1")).toEqual(["other", "SE"]);
  });

  test("a chunk after part of a word keeps all its bytes", () => {
    const big = "X".repeat(40_000);
    expect(read("STREA", big)).toEqual(["other", `STREA${big}`]);
  });

  test("a head in one chunk is not copied", () => {
    const chunk = Buffer.from("STREAM k\r\n\r\nDATA");
    const opening = new FirstWord(words).push(chunk);
    if (opening.kind !== "head") throw new Error(opening.kind);
    expect(opening.head.buffer).toBe(chunk.buffer);
    expect(opening.rest.buffer).toBe(chunk.buffer);
  });

  test.each(["", "stream", "ST REAM", "ABCDEFGHIJKLMNOP"])("word %p cannot be registered", (word) => {
    expect(() => checkWords(new Map([[word, take]]))).toThrow("a first word is short and upper-case");
  });
});
