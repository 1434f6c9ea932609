import { extensionLine } from "./encode-replay.ts";
import { cutUtf8, plainText } from "./wire-text.ts";

/** Hops that are told of, and taken: a host goes no further. */
export const HOPS_MAX = 10;

/** Bytes of a hostname in a line, so that with all numbers it stays below 1000. */
const HOSTNAME_BYTES_MAX = 200;
/** Longest age and latest second that are taken; beyond lies no date that can be shown. */
const SECOND_MAX = 2 ** 32;
/** HOP, position, count, GUID, hostname, age, second; with twelve amounts a line is full. */
const WORDS_BEFORE_AMOUNTS = 7;

/** One hop of a host's way, as an agent of our kind tells its parent of it. */
export interface HopLine {
  /** Of the agent that sends over this hop. */
  readonly machineGuid: string;
  readonly hostname: string;
  /** Seconds since that agent said so. */
  readonly ageSec: number;
  /** It has the host complete up to this second; 0 = nothing. */
  readonly completeToSec: number;
  /** Its account, in an order that both ends know. */
  readonly amounts: readonly number[];
}

/**
 * The lines that tell a host's way, one each hop: `TRIBUTARY HOP position count GUID hostname age second amounts…`.
 * @param hops the nearest first; those beyond {@link HOPS_MAX} are left out.
 */
export function hopLines(hops: readonly HopLine[]): string {
  const told = hops.slice(0, HOPS_MAX);
  return told
    .map(({ machineGuid, hostname, ageSec, completeToSec, amounts }, position) => {
      const numbers = [ageSec, completeToSec, ...amounts].map(String);
      const name = cutUtf8(hostname, HOSTNAME_BYTES_MAX);
      return extensionLine(["HOP", `${position}`, `${told.length}`, machineGuid, name, ...numbers]);
    })
    .join("");
}

/** Puts the lines of a way together again: they come one after the other, or are passed over. */
export class HopReader {
  private hops: HopLine[] = [];

  /** @param words behind `TRIBUTARY`. @returns the whole way, the nearest hop first, or null: more is to come. */
  read(words: readonly string[]): readonly HopLine[] | null {
    const [, positionWord, countWord, machineGuid = "", hostname = "", ...numberWords] = words;
    const [position, count] = [naturalOf(positionWord), naturalOf(countWord)];
    const [ageSec = Number.NaN, completeToSec = Number.NaN, ...amounts] = numberWords.map(naturalOf);
    const isRead =
      words.length > WORDS_BEFORE_AMOUNTS &&
      Math.max(ageSec, completeToSec) <= SECOND_MAX &&
      ![position, count, ...amounts].some(Number.isNaN);
    if (position === 0) this.hops = [];
    if (!isRead || position !== this.hops.length || count < 1 || count > HOPS_MAX) {
      this.hops = [];
      return null;
    }
    const names = { machineGuid: plainText(machineGuid), hostname: plainText(hostname) };
    this.hops.push({ ...names, ageSec, completeToSec, amounts });
    if (this.hops.length < count) return null;
    const whole = this.hops;
    this.hops = [];
    return whole;
  }
}

/** The line that says what was written on this connection before it: whole rows, and values in them. */
export function writtenLine(rows: number, values: number): string {
  return extensionLine(["WRITTEN", `${rows}`, `${values}`]);
}

/** A whole number that is not negative; NaN if the word is none. */
export function naturalOf(word = ""): number {
  const number = /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN;
  return number <= Number.MAX_SAFE_INTEGER ? number : Number.NaN;
}
