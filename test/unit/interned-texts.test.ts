import { expect, test } from "bun:test";
import { InternedTexts } from "../../agent/rrd/interned-texts.ts";

test("texts said in passing do not stay, those that are asked for do", () => {
  const texts = new InternedTexts();
  const kept = texts.intern("kept");
  for (let n = 0; n < 200_000; n++) {
    texts.intern(`label value ${n}`);
    if (n % 1000 === 0) expect(texts.intern("kept")).toBe(kept);
  }
  expect(texts.length).toBeLessThanOrEqual(2_000_000);
  expect(texts.length).toBeGreaterThan(500_000);
  texts.intern("x".repeat(1_000_000));
  expect(texts.length).toBeLessThanOrEqual(2_000_000);
});
