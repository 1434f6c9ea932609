import { describe, expect, test } from "bun:test";
import { Admission } from "../../agent/door/admission.ts";
import { fitConnectionLimits, parseOpenFileLimit, readOpenFileLimit } from "../../agent/door/open-files.ts";

describe("limit of open files", () => {
  test.each([
    ["Max open files            1024                 524288               files     \n", 1024],
    ["Max cpu time  unlimited unlimited seconds\nMax open files            20000  20000 files\n", 20_000],
    ["Max open files            unlimited            unlimited            files\n", Number.POSITIVE_INFINITY],
    ["", Number.POSITIVE_INFINITY],
    ["Max open files   many", Number.POSITIVE_INFINITY],
  ])("%j", (text, limit) => {
    expect(parseOpenFileLimit(text)).toBe(limit);
  });

  test("of this process is a number; without /proc it is unknown", () => {
    expect(readOpenFileLimit()).toBeGreaterThan(10);
    expect(readOpenFileLimit("/nowhere/limits")).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("fitConnectionLimits", () => {
  const wanted = { connections: 12_000, connectionsPerAddress: 4000, httpConnections: 1000 };

  test("leaves limits that fit", () => {
    expect(fitConnectionLimits(wanted, 12_000 + 2000 + 512)).toBe(wanted);
    expect(fitConnectionLimits(wanted, Number.POSITIVE_INFINITY)).toBe(wanted);
  });

  test.each([16, 64, 256, 1024, 4096, 14_000])("fits everything into %d descriptors", (openFiles) => {
    const fitted = fitConnectionLimits(wanted, openFiles);
    expect(fitted.connections + 2 * fitted.httpConnections).toBeLessThanOrEqual(
      openFiles - Math.min(512, openFiles / 2),
    );
    expect(fitted.httpConnections).toBeGreaterThan(0);
    expect(fitted.connections).toBeGreaterThan(fitted.httpConnections);
    expect(fitted.connectionsPerAddress).toBeLessThanOrEqual(fitted.connections);
  });
});

describe("Admission", () => {
  const limits = { connections: 3, connectionsPerAddress: 2, httpConnections: 1 };

  test("asks the list first, then counts all, then the address", () => {
    const admission = new Admission(limits, (address) => address !== "9.9.9.9");
    const verdicts = ["9.9.9.9", "1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2", "3.3.3.3"].map((a) => admission.enter(a));
    expect(verdicts).toEqual(["denied", "ok", "ok", "too_many_from_address", "ok", "too_many"]);
    admission.leave("1.1.1.1");
    expect(admission.enter("3.3.3.3")).toBe("ok");
    admission.setAccess(() => false);
    expect(admission.enter("2.2.2.2")).toBe("denied");
    expect(admission.count).toBe(3);
  });
});
