import { expect, test } from "bun:test";
import { createGuid, isGuid, parseGuid } from "../../agent/base/guid.ts";
import { newKey } from "../../agent/cli/key.ts";

const GOOD = "11111111-2222-3333-4444-55555555abcd";

test.each([GOOD, GOOD.toUpperCase(), "00000000-0000-0000-0000-000000000000"])("%s is a GUID", (text) => {
  expect(isGuid(text)).toBe(true);
  expect(parseGuid(text)).toBe(text.toLowerCase());
});

test.each([
  "",
  GOOD.slice(1),
  `${GOOD}0`,
  ` ${GOOD}`,
  `${GOOD}\n`,
  GOOD.replaceAll("-", ""),
  GOOD.replace("a", "g"),
  "111111112222-3333-4444-55555555abcd-",
  `{${GOOD.slice(2)}}`,
  // Capital letters whose small form has another length or is ASCII.
  GOOD.replace("a", "İ"),
  GOOD.replace("a", "K"),
])("%p is not a GUID", (text) => {
  expect(isGuid(text)).toBe(false);
  expect(parseGuid(text)).toBeUndefined();
});

test("a new GUID is made of the random bytes, with version 4 and its variant", () => {
  const zeros = new Uint8Array(16);
  expect(createGuid(zeros)).toBe("00000000-0000-4000-8000-000000000000");
  expect(createGuid(new Uint8Array(16).fill(255))).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
  expect(zeros).toEqual(new Uint8Array(16));
});

test("tributary key prints one GUID and a newline", () => {
  const text = newKey(Uint8Array.from({ length: 16 }, (_, index) => index * 7));
  expect(text).toBe("00070e15-1c23-4a31-b83f-464d545b6269\n");
  expect(isGuid(text.trimEnd())).toBe(true);
});
