import { type Geometry, headerBytes, TILE_SLOTS, tileChecksOffset } from "./geometry.ts";
import { stampChecksum } from "./segment-checksum.ts";

const VALUES_BYTES = TILE_SLOTS * Float32Array.BYTES_PER_ELEMENT;
const FLAGS_BYTES = TILE_SLOTS;

/**
 * The checksums of a segment's tiles. A tile is what a block holds of one column's values, or of one record's flags;
 * its number is that of the column, or the number of columns plus that of the record. A checksum covers the start of
 * its block, too: what is left of an earlier lap does not fit.
 */
export class TileChecks {
  private readonly columns: number;
  /** By block and number of the tile. */
  private readonly sums: Uint32Array;
  private readonly valueBytes: Uint8Array;
  private readonly flagBytes: Uint8Array;

  constructor(buffer: ArrayBuffer, geometry: Geometry) {
    const { columns, slots } = geometry;
    const values = headerBytes(geometry);
    this.columns = columns;
    this.sums = new Uint32Array(buffer, tileChecksOffset(geometry), 2 * columns * (slots / TILE_SLOTS));
    this.valueBytes = new Uint8Array(buffer, values, columns * slots * Float32Array.BYTES_PER_ELEMENT);
    this.flagBytes = new Uint8Array(buffer, values + this.valueBytes.length, columns * slots);
  }

  /** Makes the checksums of a block those of what it holds now. @returns whether they were already. */
  renew(block: number, startSec: number): boolean {
    const seed = stampChecksum(startSec);
    const first = 2 * this.columns * block;
    let isSame = true;
    for (let tile = 0; tile < 2 * this.columns; tile++) {
      const sum = this.sumOf(block, tile, seed);
      if (this.sums[first + tile] === sum) continue;
      this.sums[first + tile] = sum;
      isSame = false;
    }
    return isSame;
  }

  /** Numbers of the tiles of a block that do not fit their checksums. */
  misfits(block: number, startSec: number): number[] {
    const seed = stampChecksum(startSec);
    const first = 2 * this.columns * block;
    const tiles: number[] = [];
    for (let tile = 0; tile < 2 * this.columns; tile++) {
      if (this.sums[first + tile] !== this.sumOf(block, tile, seed)) tiles.push(tile);
    }
    return tiles;
  }

  private sumOf(block: number, tile: number, seed: number): number {
    const { columns } = this;
    const isValues = tile < columns;
    const size = isValues ? VALUES_BYTES : FLAGS_BYTES;
    const at = (block * columns + (isValues ? tile : tile - columns)) * size;
    return Bun.hash.crc32((isValues ? this.valueBytes : this.flagBytes).subarray(at, at + size), seed);
  }
}
