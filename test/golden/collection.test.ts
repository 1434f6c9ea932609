import { describe, expect, test } from "bun:test";
import { type CollectionVectors, checkCollection } from "../collection-vectors.ts";
import vectors from "../fixtures/vectors/rrd-collection.json";

const { cases } = vectors as unknown as CollectionVectors;

describe("collection and interpolation", () => {
  test.each(cases)("$id, general commit", (vector) => expect(checkCollection(vector, false)).toEqual([]));
  test.each(cases)("$id, short loops where they apply", (vector) => expect(checkCollection(vector, true)).toEqual([]));
});
