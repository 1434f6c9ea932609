import { segmentBytes } from "../agent/rrd/store/geometry.ts";
import { Segment } from "../agent/rrd/store/segment.ts";

/** The format `rrd-storage-number/1`: values, and what the reference makes of them when it stores them. */
export interface StorageNumberVectors {
  format: string;
  cases: { value: number; unpacked_v16: number; unpacked_v137: number; float32: number }[];
}

/** Relative error of a value in our encoding: half a unit of its 24 bits (rrd.md §3.2). */
const RELATIVE_ERROR_MAX = 2 ** -24;

/**
 * A value must come back as the vectors say, and no further from what it was than the reference's, or than our bits
 * allow: the reference keeps some short decimals exactly. @returns what is wrong, empty when the case holds.
 */
export function checkStorageNumber(test: StorageNumberVectors["cases"][number]): string[] {
  const { value, float32 } = test;
  const got = storedValue(value);
  const error = Math.abs(got - value);
  const allowed = Math.abs(value) * RELATIVE_ERROR_MAX;
  const wrong: string[] = [];
  if (got !== float32) wrong.push(`expected ${float32}, got ${got}`);
  for (const unpacked of [test.unpacked_v16, test.unpacked_v137]) {
    const reference = Math.abs(unpacked - value);
    if (error > Math.max(reference, allowed)) wrong.push(`off by ${error}, the reference by ${reference}`);
  }
  return wrong;
}

/** What a segment gives back. */
function storedValue(value: number): number {
  const geometry = { columns: 64, slots: 128, updateEverySec: 1 };
  const segment = new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
  const [column] = segment.takeColumns(1);
  segment.openFor(1_700_000_000);
  segment.values[segment.valueIndex(segment.slotOf(1_700_000_000), column! << 6)] = value;
  return segment.read(1_700_000_000, column! << 6);
}
