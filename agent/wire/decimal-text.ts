/**
 * A finite double in plain decimal, without an exponent: the fewest digits that read back as the same bits. Netdata's
 * own reader of numbers is not known to take exponents.
 */
export function decimalText(value: number): string {
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  const at = text.indexOf("e");
  return at < 0 ? text : expanded(text.slice(0, at), Number(text.slice(at + 1)));
}

function expanded(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = mantissa.slice(sign.length).split(".");
  const digits = whole + fraction;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - whole.length)}${digits}`;
  return sign + digits.padEnd(whole.length + exponent, "0");
}

/** Plain decimal of an integer: never an exponent, a fraction or a leading zero. What is no number is 0. */
export function integerText(value: number): string {
  if (!Number.isFinite(value)) return "0";
  const whole = Math.trunc(value);
  return Number.isSafeInteger(whole) ? String(whole + 0) : BigInt.asIntN(64, BigInt(whole)).toString();
}

/** A 64-bit integer as a double and what that lacks. */
export function exactInteger(value: number, rest: number): bigint {
  if (!Number.isFinite(value)) return 0n;
  return BigInt.asIntN(64, BigInt(Math.trunc(value)) + BigInt(rest));
}
