import { BlockList, isIP } from "node:net";
import { InputError } from "./input-error.ts";
import { compilePatternWord, type PatternWord, splitPatternWords } from "./pattern.ts";

/** What {@link AddressList.allows} takes for a peer on a unix socket, which has no numeric address. */
export const UNIX_PEER = "unix";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/**
 * An access list: simple patterns and networks (`10.0.0.0/8`, `fd00::/8`), tested in order against the peer's numeric
 * address; the first that matches decides, no match = no. Loopback addresses and unix sockets also match the word
 * `localhost` (http-api.md §8).
 */
export class AddressList {
  readonly text: string;
  private readonly words: readonly PatternWord[];

  /** @throws InputError when too long, or when a word with `/` is not a network. */
  constructor(text: string) {
    this.text = text;
    this.words = splitPatternWords(text.toLowerCase()).map((word) => {
      return word.includes("/") ? compileNetwork(word) : compilePatternWord(word);
    });
  }

  /** @param address numeric IPv4 or IPv6 address of the peer, or {@link UNIX_PEER}. */
  allows(address: string): boolean {
    const peer = normalizeAddress(address);
    const isLocal = peer === UNIX_PEER || isLoopback(peer);
    for (const word of this.words) {
      if (word.matches(peer) || (isLocal && word.matches("localhost"))) return !word.isNegative;
    }
    return false;
  }
}

/** Lower case, without an interface suffix; IPv4-mapped IPv6 (`::ffff:10.0.0.1`) becomes plain IPv4. */
export function normalizeAddress(address: string): string {
  const lower = address.toLowerCase();
  const percent = lower.indexOf("%");
  const bare = percent < 0 ? lower : lower.slice(0, percent);
  return MAPPED.exec(bare)?.[1] ?? bare;
}

/** @param address as {@link normalizeAddress} returns it. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && LOOPBACK.check(address, family === 6 ? "ipv6" : "ipv4");
}

function compileNetwork(word: string): PatternWord {
  const isNegative = word.startsWith("!");
  const [network = "", prefix = "", ...rest] = (isNegative ? word.slice(1) : word).split("/");
  const address = normalizeAddress(network);
  const family = isIP(address);
  const isMapped = family === 4 && isIP(network) === 6;
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) - (isMapped ? 96 : 0) : Number.NaN;
  if (family === 0 || rest.length > 0 || !(bits >= 0 && bits <= (family === 4 ? 32 : 128))) {
    const hint = "write ADDRESS/BITS, such as 10.0.0.0/8 (0…32) or fd00::/8 (0…128)";
    throw new InputError("address_list_invalid", `"${word}" is not a network`, hint);
  }
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, bits, type);
  return {
    isNegative,
    matches(text) {
      return isIP(text) === family && list.check(text, type);
    },
  };
}
