import { isUtf8 } from "node:buffer";

/** Longest line that every generation reads whole (streaming.md §2.1). */
const LINE_MAX = 1000;

/**
 * Reads a block `SET…SET END` as the strictest receiver would: nothing but plain SET lines of known dimensions, one
 * END as the last line, decimal numbers without leading zeros, one way of quoting (streaming.md §2.1, §2.2).
 * @param expected value by position in `dimensions`. @returns what is wrong.
 */
export function rawProblems(raw: Buffer, dimensions: readonly string[], expected: Map<number, bigint>): string[] {
  const problems: string[] = [];
  if (!isUtf8(raw)) problems.push("raw block is not UTF-8");
  const lines = raw.toString("utf8").split("\n");
  if (lines.pop() !== "") problems.push("raw block does not end with a newline");
  if (lines.pop() !== "END") problems.push("raw block does not end with END");
  const got = new Map<number, bigint>();
  for (const line of lines) {
    if (Buffer.byteLength(line) > LINE_MAX) problems.push(`line of ${line.length} bytes`);
    const match = /^SET (?:"([^"]*)"|'([^']*)'|([^\s="'][^\s=]*)) = (-?(?:0|[1-9][0-9]*))$/.exec(line);
    if (match === null) {
      problems.push(`not a plain SET: ${JSON.stringify(line)}`);
      continue;
    }
    const index = dimensions.indexOf(match[1] ?? match[2] ?? match[3]!);
    if (index < 0) problems.push(`unknown dimension: ${JSON.stringify(line)}`);
    got.set(index, BigInt.asIntN(64, BigInt(match[4]!)));
  }
  const text = (values: Map<number, bigint>) => [...values].sort(([a], [b]) => a - b).join(" ");
  if (text(got) !== text(expected)) problems.push(`raw block says ${text(got)}, row says ${text(expected)}`);
  return problems;
}
