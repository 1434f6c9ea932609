const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** Words of a line as streaming.md §2.1 says (one character is one byte). */
export function naiveWords(line: string): string[] {
  const words: string[] = [];
  let rest = line;
  for (;;) {
    rest = rest.replace(/^[ \t\r\n=]+/, "");
    if (rest === "" || words.length === 20) return words;
    const match = /^(?:"((?:\\[\s\S]|[^"])*)"?|'((?:\\[\s\S]|[^'])*)'?|((?:\\[\s\S]|[^ \t\r\n=])+))/.exec(rest)!;
    words.push(match[1] ?? match[2] ?? match[3]!);
    rest = rest.slice(match[0].length);
  }
}

/** C `strtoll` with base 0 (rrd.md §2.4). */
export function naiveInteger(word: string): bigint {
  const [, sign, prefix] = /^[\t-\r ]*([+-]?)(0[xX]|0)?/.exec(word)!;
  const rest = word.replace(/^[\t-\r ]*[+-]?(0[xX]|0)?/, "");
  const isHex = prefix !== undefined && prefix.length === 2;
  const digits = (isHex ? /^[0-9a-fA-F]*/ : prefix === "0" ? /^[0-7]*/ : /^[0-9]*/).exec(rest)![0];
  const magnitude = digits === "" ? 0n : BigInt((isHex ? "0x" : prefix === "0" ? "0o" : "") + digits);
  const value = sign === "-" ? -magnitude : magnitude;
  return value < MIN ? MIN : value > MAX ? MAX : value;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Any integer of streaming.md §6, to 64 bits. */
export function naiveWireInteger(word: string): bigint {
  const match = /^(-?)#([A-Za-z0-9+/]*)/.exec(word);
  if (match === null) return naiveInteger(word);
  let value = 0n;
  for (const digit of match[2]!) value = BigInt.asUintN(64, value * 64n + BigInt(ALPHABET.indexOf(digit)));
  return BigInt.asIntN(64, match[1] === "-" ? -value : value);
}

/** Any number of streaming.md §6. */
export function naiveDouble(word: string): number {
  const [, sign, mark, digits] = /^(-?)(0[xX]|[#@%]|)(.*)$/s.exec(word)!;
  const factor = sign === "-" ? -1 : 1;
  const isDigits = mark === "#" || mark === "@" ? /^[A-Za-z0-9+/]+$/ : /^[0-9a-fA-F]+$/;
  if (mark === "") {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?$/i.test(word) ? Number(word) : Number.NaN;
    return Number.isFinite(value) ? value : Number.NaN;
  }
  if (!isDigits.test(digits!)) return Number.NaN;
  let bits = 0n;
  const base = mark === "#" || mark === "@" ? 64n : 16n;
  for (const digit of digits!) {
    const value = base === 64n ? ALPHABET.indexOf(digit) : Number.parseInt(digit, 16);
    bits = BigInt.asUintN(64, bits * base + BigInt(value));
  }
  if (mark === "#" || mark!.startsWith("0")) return factor * Number(bits);
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  const value = factor * view.getFloat64(0);
  return Number.isFinite(value) ? value : Number.NaN;
}
