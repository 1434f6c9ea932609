import { expect, test } from "bun:test";
import fc from "fast-check";
import { FirstWord } from "../../agent/door/first-word.ts";

const seed = Number(process.env["TRIBUTARY_SEED"] ?? 20_260_101);
const words = new Map([["STREAM", () => ""]]);
const HEAD_MAX = 16_384;

/** What the whole connection amounts to, and all bytes that reach the next owner. */
function readCut(bytes: Buffer, cuts: readonly number[]) {
  const reader = new FirstWord(words);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    if (to === from) continue;
    const opening = reader.push(Buffer.from(bytes.subarray(from, to)));
    from = to;
    const after = bytes.subarray(from).toString("latin1");
    if (opening.kind === "other") return { kind: "other", text: opening.bytes.toString("latin1") + after };
    if (opening.kind === "head") {
      return { kind: "head", head: opening.head.toString("latin1"), rest: opening.rest.toString("latin1") + after };
    }
    if (opening.kind !== "more") return { kind: opening.kind };
  }
  return { kind: "more" };
}

/** The rule itself, over the whole text. */
function model(bytes: Buffer) {
  const text = bytes.toString("latin1");
  if ("STREAM ".startsWith(text)) return { kind: "more" };
  if (!text.startsWith("STREAM ")) return { kind: "other", text };
  const end = text.indexOf("\r\n\r\n");
  if (end >= 0 && end + 4 <= HEAD_MAX) return { kind: "head", head: text.slice(0, end + 4), rest: text.slice(end + 4) };
  return { kind: text.length >= HEAD_MAX ? "too_big" : "more" };
}

const piece = fc.oneof(
  fc.constantFrom("STREAM ", "STREAM", "S", "\r\n\r\n", "\r\n", "\r", "\n", " ", "GET / HTTP/1.1\r\n", "k=a b&c=d"),
  fc.nat(6000).map((length) => "x".repeat(length)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const connection = fc
  .tuple(fc.constantFrom("STREAM ", "STREAM k", "", "GE"), fc.array(piece, { maxLength: 8 }))
  .map(([start, pieces]) => Buffer.from(start + pieces.join(""), "latin1"));

test("the way the bytes are cut changes nothing", () => {
  const property = fc.property(connection, fc.array(fc.nat(), { maxLength: 40 }), (bytes, cuts) => {
    expect(readCut(bytes, cuts)).toEqual(model(bytes));
  });
  fc.assert(property, { seed, numRuns: 2000 });
});
