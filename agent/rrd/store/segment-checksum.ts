/** Of the start of a block. */
export function stampChecksum(startSec: number): number {
  return Bun.hash.crc32(Float64Array.of(startSec));
}

/** {@link stampChecksum} of a sealed block into which was written since: all bits the other way round. */
export function lateChecksum(startSec: number): number {
  return ~stampChecksum(startSec) >>> 0;
}

/** Of the key of a chart, in its record. */
export function keyChecksum(key: number): number {
  return Bun.hash.crc32(Uint32Array.of(key));
}
