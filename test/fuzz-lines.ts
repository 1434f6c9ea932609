import { captureStreams } from "./capture-stream.ts";
import type { SeededRandom } from "./seeded-random.ts";

const FILES = [
  "netdata-1.6.0-child-v1.txt",
  "netdata-1.37.1-child-v1.txt",
  "netdata-1.37.1-child-caps15296-replication.txt",
  "netdata-1.37.1-proxy-caps704.txt",
  "netdata-2.9.0-child-v1.txt",
  "netdata-2.9.0-child-caps21184-text-interpolated.txt",
  "netdata-2.9.0-child-caps326592-slots-ieee754.txt",
];

/** All lines of all recorded children, in order. */
export function capturedLines(): Buffer[] {
  return FILES.flatMap((file) => captureStreams(file).flatMap((lines) => lines.map(({ bytes }) => bytes)));
}

const INTERESTING = ["\n", "\r", "=", "'", '"', "\\", "\0", "\x7f", "\xff", " ", "\t", ".", "-", "0x", "SET ", "END\n"];

/** Spoils a line: bytes flipped, cut, doubled, put in, a piece of another line, a very long word. */
export function mutate(line: Buffer, other: Buffer, random: SeededRandom): Buffer {
  const text = line.toString("latin1");
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(12));
  const kinds = [
    () => text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(to),
    () => text.slice(0, to) + text.slice(at),
    () => text.slice(0, at) + random.pick(INTERESTING) + text.slice(at),
    () => text.slice(0, at) + other.toString("latin1").slice(random.below(other.length)),
    () => text.replace(/-?[0-9]+\n/, () => `${BigInt.asIntN(64, random.bits(64) >> BigInt(random.below(60)))}\n`),
    () => text.replace(/[0-9]+/, () => "9".repeat(random.below(40))),
    () => text + text,
    () => text.slice(0, -1),
    () => text.slice(0, at) + "z".repeat(random.below(600)) + text.slice(at),
  ];
  return Buffer.from(random.pick(kinds)(), "latin1");
}
