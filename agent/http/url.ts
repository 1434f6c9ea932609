/** Longest URL that is looked at (http-api.md §2). */
export const URL_BYTES_MAX = 8192;

/** A request target, decoded once. */
export interface Target {
  /** Without the slash in front; repeated slashes are one. */
  readonly path: string;
  /** True when the path ends with `/`. */
  readonly endsWithSlash: boolean;
  /** With its `?`, as it came; empty if there is none. */
  readonly search: string;
  readonly parameters: Parameters;
}

/** Parameters of a query. Names without a value, and empty values, count as absent. */
export class Parameters {
  private readonly values = new Map<string, string[]>();
  private readonly words = new Set<string>();

  /** @param search without the `?`. */
  constructor(search: string) {
    for (const part of search.split("&")) {
      const equals = part.indexOf("=");
      const name = decodeText(equals < 0 ? part : part.slice(0, equals));
      const value = equals < 0 ? "" : decodeText(part.slice(equals + 1));
      if (name === "") continue;
      this.words.add(name);
      if (value === "") continue;
      const known = this.values.get(name);
      if (known === undefined) this.values.set(name, [value]);
      else known.push(value);
    }
  }

  /** The last value of the first of these names that has one. */
  get(...names: string[]): string | undefined {
    for (const name of names) {
      const value = this.values.get(name)?.at(-1);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** All values of all these names. */
  all(...names: string[]): string[] {
    return names.flatMap((name) => this.values.get(name) ?? []);
  }

  /** True if the name is there, with a value or without. */
  has(name: string): boolean {
    return this.words.has(name);
  }

  /**
   * A whole number, as C reads it: leading blanks, a sign, the digits in front. @returns 0 for anything else, and
   * `otherwise` when the name has no value.
   */
  integer(name: string, otherwise: number): number {
    const text = this.get(name);
    if (text === undefined) return otherwise;
    const [digits = "0"] = /^\s*[+-]?\d+/.exec(text) ?? [];
    return Math.min(Math.max(Number(digits), -INTEGER_MAX), INTEGER_MAX) || 0;
  }

  /** True for `yes`, `1`, `true`; false for anything else; `otherwise` when the name has no value. */
  flag(name: string, otherwise: boolean): boolean {
    const text = this.get(name);
    return text === undefined ? otherwise : text === "yes" || text === "1" || text === "true";
  }
}

/** Far beyond any time, and still exact after any sum of two. */
const INTEGER_MAX = 1e12;

/** Takes apart the URL of a request, absolute or only a path. Never throws. */
export function parseTarget(url: string): Target {
  const withoutOrigin = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  const [target = ""] = withoutOrigin.split("#", 1);
  const question = target.indexOf("?");
  const rawPath = question < 0 ? target : target.slice(0, question);
  const search = question < 0 ? "" : target.slice(question);
  const path = decodeText(rawPath).replace(/\/+/g, "/").replace(/^\//, "");
  return { path, endsWithSlash: path.endsWith("/"), search, parameters: new Parameters(search.slice(1)) };
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `+` is a blank, `%xx` a byte of UTF-8; what cannot be decoded stays as it is. */
export function decodeText(text: string): string {
  const plain = text.replaceAll("+", " ");
  if (!plain.includes("%")) return plain;
  const bytes = encoder.encode(plain);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i] === 0x25 ? hexPair(bytes, i + 1) : -1;
    bytes[length++] = code < 0 ? bytes[i]! : code;
    if (code >= 0) i += 2;
  }
  return decoder.decode(bytes.subarray(0, length));
}

function hexPair(bytes: Uint8Array, at: number): number {
  const high = hexDigit(bytes[at]);
  const low = hexDigit(bytes[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
