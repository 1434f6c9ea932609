import { describe, expect, test } from "bun:test";
import { ByteBudget } from "../../agent/rrd/byte-budget.ts";
import { type Geometry, ringSlots, segmentBytes } from "../../agent/rrd/store/geometry.ts";
import { newestHeldSec } from "../../agent/rrd/store/newest-held.ts";
import { Segment } from "../../agent/rrd/store/segment.ts";
import { MemoryStore } from "../../agent/rrd/store/segment-store.ts";

const COLUMNS = 64;
const SLOTS = 192;
/** A time whose slot is 0 in a segment of 192 slots with update_every 1. */
const LAP_SEC = 192 * 8_000_000;

function newSegment(updateEverySec = 1): Segment {
  const geometry: Geometry = { columns: COLUMNS, slots: SLOTS, updateEverySec };
  return new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
}

/** Stores a value as the commit does. */
function write(segment: Segment, column: number, timeSec: number, value: number): boolean {
  const slot = segment.slotOf(timeSec);
  if (!segment.open(slot >> 6, timeSec - (slot & 63) * segment.updateEverySec)) return false;
  segment.values[segment.valueIndex(slot, column << 6)] = value;
  return true;
}

describe("ringSlots", () => {
  const cases = [
    [5, 128],
    [65, 128],
    [66, 192],
    [3600, 3712],
    [3649, 3712],
    [3650, 3776],
    [864_000, 864_064],
  ] as const;
  // rrd.md §4.3: history + 63 rounded up to whole blocks of 64, at least two.
  test.each(cases)("history %d: %d slots", (history, slots) => {
    expect(ringSlots(history)).toBe(slots);
    expect(slots % 64).toBe(0);
    // Opening a block empties 64 slots at once; the history must still be there.
    expect(slots - 63).toBeGreaterThanOrEqual(Math.min(history, 65));
  });
});

describe("segment", () => {
  test("layout of the file (rrd.md §4.3): header, stamps, records, values from a page on, flags", () => {
    const segment = newSegment();
    expect(segment.stamps.byteOffset).toBe(128);
    expect(segment.stamps.length).toBe(3);
    expect(segment.records.byteOffset % 8).toBe(0);
    expect(segment.records.byteOffset).toBeGreaterThanOrEqual(64 + 3 * 12);
    expect(segment.records.byteLength).toBe(32 * COLUMNS);
    expect(segment.values.byteOffset % 4096).toBe(0);
    expect(segment.flags.byteOffset).toBe(segment.values.byteOffset + 4 * COLUMNS * SLOTS);
    expect(segmentBytes({ columns: COLUMNS, slots: SLOTS })).toBe(segment.flags.byteOffset + COLUMNS * SLOTS);
    // One history of 3600 and 256 columns is 3.8 MB of values, and of checksums 2.5 % of it with its flags.
    const checks = (256 * 3712 * 5) / 40;
    expect(segmentBytes({ columns: 256, slots: 3712 })).toBeLessThan(256 * 3712 * 5 + checks + 16_384);
  });

  test("a tile is 64 slots of one column side by side", () => {
    const segment = newSegment();
    expect(segment.valueIndex(0, 0)).toBe(0);
    expect(segment.valueIndex(63, 0)).toBe(63);
    expect(segment.valueIndex(0, 1 << 6)).toBe(64);
    expect(segment.valueIndex(64, 0)).toBe(64 * COLUMNS);
    expect(segment.valueIndex(SLOTS - 1, (COLUMNS - 1) << 6)).toBe(COLUMNS * SLOTS - 1);
  });

  test("a zeroed buffer reads as empty everywhere", () => {
    const segment = newSegment();
    for (let t = LAP_SEC; t < LAP_SEC + SLOTS; t++) expect(segment.read(t, 0)).toBeNaN();
  });

  test("what was not written in an opened block is empty, not 0", () => {
    const segment = newSegment();
    const [column] = segment.takeColumns(3);
    expect(write(segment, column!, LAP_SEC + 70, 5)).toBe(true);
    expect(segment.read(LAP_SEC + 70, column! << 6)).toBe(5);
    expect(segment.read(LAP_SEC + 71, column! << 6)).toBeNaN();
    expect(segment.read(LAP_SEC + 70, 1 << 6)).toBeNaN();
  });

  test("a new lap empties the block, an older sample never wipes a newer lap, a stale lap reads as empty", () => {
    const segment = newSegment();
    segment.takeColumns(2);
    expect(write(segment, 0, LAP_SEC + 1, 1)).toBe(true);
    segment.flags[segment.valueIndex(1, 0)] = 1;
    expect(write(segment, 1, LAP_SEC + SLOTS + 2, 2)).toBe(true);
    expect(segment.read(LAP_SEC + 1, 0)).toBeNaN();
    expect(segment.read(LAP_SEC + SLOTS + 1, 0)).toBeNaN();
    expect(segment.flags[segment.valueIndex(1, 0)]).toBe(0);
    expect(write(segment, 0, LAP_SEC + 3, 3)).toBe(false);
    expect(segment.read(LAP_SEC + SLOTS + 2, 1 << 6)).toBe(2);
    // Blocks of the old lap that were not touched are still there, under their own time only.
    expect(write(segment, 0, LAP_SEC + 64, 4)).toBe(true);
    expect(segment.read(LAP_SEC + 64, 0)).toBe(4);
    expect(segment.read(LAP_SEC + 64 + SLOTS, 0)).toBeNaN();
  });

  test.each([
    [64, 3],
    [256, 3],
    [256, 200],
  ])("%d columns, %d in use: a block of a file is emptied by whole pages", (columns, used) => {
    const geometry: Geometry = { columns, slots: SLOTS, updateEverySec: 1 };
    const buffer = new ArrayBuffer(segmentBytes(geometry));
    const segment = new Segment(buffer, geometry);
    segment.takeColumns(used);
    let isWorking = true;
    let pages = 0;
    segment.overwriteFile = (parts) => {
      if (!isWorking) return false;
      for (const { at, bytes } of parts) {
        expect([at % 4096, bytes.length % 4096]).toEqual([0, 0]);
        new Uint8Array(buffer).set(bytes, at);
        pages += bytes.length / 4096;
      }
      return true;
    };
    for (const lap of [0, 1]) {
      for (let second = 64; second < 128; second++) write(segment, used - 1, LAP_SEC + lap * SLOTS + second, second);
    }
    expect(pages).toBe(2 * (Math.ceil(used / 16) + columns / 64));
    isWorking = false;
    segment.flags[64 * columns] = 1;
    expect(write(segment, 0, LAP_SEC + 2 * SLOTS + 64, 5)).toBe(true);
    // Where the file cannot be written, the block is emptied all the same.
    for (let second = 65; second < 128; second++) {
      expect(segment.read(LAP_SEC + 2 * SLOTS + second, (used - 1) << 6)).toBeNaN();
    }
    expect(segment.flags[64 * columns]).toBe(0);
  });

  test("a column used again is empty in every block, and so is a first one that was never emptied", () => {
    const segment = newSegment();
    const columns = segment.takeColumns(17);
    for (const column of columns) for (let t = 0; t < SLOTS; t++) write(segment, column, LAP_SEC + t, 7);
    segment.giveColumn(columns[3]!);
    segment.giveColumn(columns[4]!);
    const again = segment.takeColumns(COLUMNS - 15);
    expect(new Set([...again, ...columns.filter((c) => c !== columns[3] && c !== columns[4])]).size).toBe(COLUMNS);
    for (const column of again) {
      for (let t = 0; t < SLOTS; t++) expect(segment.read(LAP_SEC + t, column << 6)).toBeNaN();
    }
    expect(segment.read(LAP_SEC + 5, columns[0]! << 6)).toBe(7);
  });

  test("columns are counted, side by side while there is room, and never given twice", () => {
    const segment = newSegment();
    expect(segment.takeColumns(10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([segment.columnPool.inUse, segment.columnPool.free]).toEqual([10, COLUMNS - 10]);
    expect(segment.takeColumns(COLUMNS)).toHaveLength(COLUMNS - 10);
    expect(segment.takeColumns(1)).toEqual([]);
    for (const column of [20, 9, 10, 11]) segment.giveColumn(column);
    expect(segment.takeColumns(3)).toEqual([9, 10, 11]);
    expect(segment.takeColumns(2)).toEqual([20]);
  });

  test("records are found again and start empty", () => {
    const segment = newSegment();
    segment.takeColumns(2);
    const [first, second] = [segment.takeRecord(), segment.takeRecord()];
    expect(first).not.toBe(second);
    segment.records[first * 4] = 99;
    write(segment, 0, LAP_SEC, 1);
    segment.flags[segment.valueIndex(0, first << 6)] = 1;
    segment.setRecordKey(first, 7);
    expect(segment.recordKey(first)).toBe(7);
    segment.giveRecord(first);
    const others = Array.from({ length: COLUMNS - 1 }, () => segment.takeRecord());
    expect(new Set([second, ...others]).size).toBe(COLUMNS);
    expect(others).toContain(first);
    expect([segment.records[first * 4], segment.recordKey(first)]).toEqual([0, 0]);
    expect(segment.flags[segment.valueIndex(0, first << 6)]).toBe(0);
  });

  test("blocks begin earlier by the phase, and go around as without one", () => {
    const geometry: Geometry = { columns: COLUMNS, slots: SLOTS, updateEverySec: 10, phase: 7 };
    const segment = new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
    const startSec = 10 * (LAP_SEC + 64 - 7);
    for (let slot = 0; slot < 64; slot++) expect(write(segment, 3, startSec + 10 * slot, slot)).toBe(true);
    expect(segment.stamps[1]).toBe(startSec);
    expect([segment.stamps[0], segment.stamps[2]]).toEqual([0, 0]);
    for (let slot = 0; slot < 64; slot++) expect(segment.read(startSec + 10 * slot, 3 << 6)).toBe(slot);
    expect(newestHeldSec(segment, startSec + 5000)).toBe(startSec + 630);
    expect(write(segment, 3, startSec + 10 * SLOTS, 1)).toBe(true);
    expect(segment.read(startSec, 3 << 6)).toBeNaN();
  });

  test("times step by update_every", () => {
    const segment = newSegment(5);
    segment.takeColumns(1);
    for (let k = 0; k < 2 * SLOTS; k++) expect(write(segment, 0, 5 * (LAP_SEC + k), k)).toBe(true);
    for (let k = 0; k < SLOTS; k++) expect(segment.read(5 * (LAP_SEC + k), 0)).toBeNaN();
    for (let k = SLOTS; k < 2 * SLOTS; k++) expect(segment.read(5 * (LAP_SEC + k), 0)).toBe(k);
  });

  test("geometry that does not fit the buffer is refused", () => {
    const geometry: Geometry = { columns: COLUMNS, slots: SLOTS, updateEverySec: 1 };
    expect(() => new Segment(new ArrayBuffer(100), geometry)).toThrow();
    const odd = { ...geometry, slots: 100 };
    expect(() => new Segment(new ArrayBuffer(segmentBytes(odd)), odd)).toThrow();
  });
});

describe("MemoryStore", () => {
  const geometry: Geometry = { columns: COLUMNS, slots: SLOTS, updateEverySec: 1 };
  const bytes = segmentBytes(geometry);

  test("admits by arithmetic, refuses beyond the limit, counts it, takes back", () => {
    const budget = new ByteBudget(2 * bytes + 1);
    const store = new MemoryStore(budget);
    const first = store.create(0, geometry)!;
    expect(store.create(1, geometry)?.buffer.byteLength).toBe(bytes);
    expect(store.create(2, geometry)).toBeNull();
    expect([store.bytes, budget.bytes, store.refused]).toEqual([2 * bytes, 2 * bytes, 1]);
    store.release(0, first);
    expect([store.bytes, budget.bytes]).toEqual([bytes, bytes]);
    expect(store.create(0, geometry)).not.toBeNull();
  });

  test("memory that the system does not have is a refusal, not an exception", () => {
    const budget = new ByteBudget(Number.MAX_SAFE_INTEGER);
    const store = new MemoryStore(budget);
    expect(store.create(0, { ...geometry, slots: 2 ** 40 })).toBeNull();
    expect([store.bytes, budget.bytes, store.refused]).toEqual([0, 0, 1]);
  });
});
