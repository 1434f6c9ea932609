import { TILE_SLOTS } from "./geometry.ts";
import type { Segment } from "./segment.ts";

/** Of all that a block holds: its stamp, its values and its flags. */
export function blockChecksum({ buffer, columns, stamps, values, flags }: Segment, block: number): number {
  const size = columns * TILE_SLOTS;
  const start = Float64Array.of(Math.abs(stamps[block]!));
  const valueBytes = new Uint8Array(buffer, values.byteOffset + block * size * 4, size * 4);
  const flagBytes = new Uint8Array(buffer, flags.byteOffset + block * size, size);
  return Bun.hash.crc32(flagBytes, Bun.hash.crc32(valueBytes, Bun.hash.crc32(start)));
}

/** Of the stamp alone, for a block that is still written to. */
export function stampChecksum(startSec: number): number {
  return Bun.hash.crc32(Float64Array.of(startSec));
}

/** Of the key of a chart, in its record. */
export function keyChecksum(key: number): number {
  return Bun.hash.crc32(Uint32Array.of(key));
}
