import { describe, expect, test } from "bun:test";
import { PATTERN_LENGTH_MAX, SimplePattern } from "../../agent/base/pattern.ts";

describe("SimplePattern", () => {
  const cases: { pattern: string; yes?: string[]; no?: string[] }[] = [
    { pattern: "*", yes: ["", "system.cpu", "a b"] },
    { pattern: "", no: ["", "a"] },
    { pattern: "  \t ", no: ["", "a"] },
    { pattern: "system.cpu", yes: ["system.cpu"], no: ["system.cpu2", "xsystem.cpu", "System.cpu", ""] },
    { pattern: "system.*", yes: ["system.", "system.cpu"], no: ["system", "xsystem.cpu"] },
    { pattern: "*.cpu", yes: [".cpu", "system.cpu"], no: ["cpu", "system.cpu0"] },
    { pattern: "*cpu*", yes: ["cpu", "xcpuy", "ccpu"], no: ["cp", "c pu"] },
    { pattern: "a*a", yes: ["aa", "aba"], no: ["a", "ab"] },
    { pattern: "ab*bc", yes: ["abbc", "ab bc"], no: ["abc"] },
    { pattern: "a*b*a", yes: ["aba", "a b a"], no: ["aa", "ab"] },
    { pattern: "a**b", yes: ["ab", "axb"], no: ["a"] },
    { pattern: "*ab*ba*", yes: ["abba", "xabxbax"], no: ["aba"] },
    { pattern: "!system.ram system.*", yes: ["system.cpu"], no: ["system.ram", "disk.sda"] },
    { pattern: "system.* !system.ram", yes: ["system.cpu", "system.ram"] },
    { pattern: "!*", no: ["", "a"] },
    { pattern: "!a", no: ["a", "b"] },
    { pattern: "! a", yes: ["a"], no: ["", "!"] },
    { pattern: "!! a", yes: ["a"], no: ["!"] },
    { pattern: "a\tb\nc", yes: ["a", "b", "c"], no: ["a\tb"] },
    { pattern: "a.b", yes: ["a.b"], no: ["axb"] },
    { pattern: "a+ (b) [c]", yes: ["a+", "(b)", "[c]"], no: ["aa", "b", "c"] },
  ];
  for (const { pattern, yes = [], no = [] } of cases) {
    test.each(yes)(`"${pattern}" takes "%s"`, (text) => expect(new SimplePattern(pattern).matches(text)).toBe(true));
    test.each(no)(`"${pattern}" leaves out "%s"`, (text) =>
      expect(new SimplePattern(pattern).matches(text)).toBe(false),
    );
  }

  test("a pattern longer than the limit is refused", () => {
    expect(() => new SimplePattern("a".repeat(PATTERN_LENGTH_MAX + 1))).toThrow(/at most 8192/);
    expect(new SimplePattern("a".repeat(PATTERN_LENGTH_MAX)).matches("a")).toBe(false);
  });

  test("a pattern made to backtrack costs no more than one walk a piece", () => {
    // A matcher that tries every place of every piece would need 2^1000 steps here.
    const pattern = new SimplePattern(`${"*a".repeat(1000)}*b`);
    expect(pattern.matches("a".repeat(100_000))).toBe(false);
    expect(pattern.matches(`${"a".repeat(100_000)}b`)).toBe(true);
  });
});
