import { describe, expect, test } from "bun:test";
import vectors from "../fixtures/vectors/rrd-storage-number.json";
import { checkStorageNumber } from "../storage-number-vectors.ts";

describe("a stored value is as precise as the reference's, or as 24 bits allow", () => {
  test.each(vectors.cases)("$value", (vector) => expect(checkStorageNumber(vector)).toEqual([]));
});
