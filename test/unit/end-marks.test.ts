import { describe, expect, test } from "bun:test";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { EndConfirmation, readEndReport } from "../../agent/pusher/end-confirmation.ts";
import { EndMarks } from "../../agent/receiver/end-marks.ts";
import type { PathEnd } from "../../agent/rrd/commit-listener.ts";
import { newHost } from "../simulated-host.ts";

/** What one that is the end says of its reach. */
const NO_LIMIT = "1000000000";

/** A link as a test wants it to be. */
class FakeEnd implements PathEnd {
  readonly asked: boolean[] = [];
  at = 0;
  confirmed = 0;
  reachSec = 3000;
  problem = "";

  ask(isWanted: boolean): void {
    this.asked.push(isWanted);
  }

  checkpoint(): number {
    return this.at;
  }
}

/** A host that is passed on over such a link. */
function passedOn(pathEnd?: PathEnd) {
  const host = newHost({ historyEntries: 1000 });
  host.listener = pathEnd === undefined ? { commit() {} } : { commit() {}, pathEnd };
  return host;
}

describe("marks of the end", () => {
  test("nothing is told to a child that does not ask", () => {
    const end = new FakeEnd();
    const host = passedOn(end);
    const marks = new EndMarks();
    expect(marks.report(host, 100)).toEqual([]);
    expect(end.asked).toEqual([]);
    marks.ask(host, true);
    expect(marks.report(host, 100)).toHaveLength(3);
    marks.ask(host, false);
    expect(marks.report(host, 100)).toEqual([]);
    expect(end.asked).toEqual([true, false]);
  });

  test("a host that goes no further ends here", () => {
    const host = newHost({ historyEntries: 1000 });
    const marks = new EndMarks();
    marks.ask(host, true);
    expect(marks.report(host, 100)).toEqual(["100", NO_LIMIT, ""]);
    expect(marks.report(host, 200)).toEqual(["200", NO_LIMIT, ""]);
  });

  test("one that goes on is at the end up to the newest mark that its link has reached", () => {
    const end = new FakeEnd();
    const host = passedOn(end);
    const marks = new EndMarks();
    marks.ask(host, true);
    const report = (bytes: number) => marks.report(host, bytes)[0];
    end.at = 1000;
    expect(report(10)).toBe("0");
    end.at = 2000;
    end.confirmed = 999;
    expect(report(20)).toBe("0");
    end.at = Number.NaN;
    expect(report(30)).toBe("0");
    end.confirmed = 1999;
    expect(report(40)).toBe("10");
    end.confirmed = 2000;
    expect(report(50)).toBe("20");
    end.at = 3000;
    expect(report(60)).toBe("20");
    end.confirmed = 3000;
    expect(report(70)).toBe("70");
  });

  test("what is behind a link that there is no more is not known", () => {
    const end = new FakeEnd();
    const host = passedOn(end);
    const marks = new EndMarks();
    marks.ask(host, true);
    end.at = 1000;
    marks.report(host, 10);
    const other = new FakeEnd();
    other.at = 50;
    other.confirmed = 1000;
    host.listener = { commit() {}, pathEnd: other };
    other.at = Number.NaN;
    expect(marks.report(host, 20)[0]).toBe("0");
    other.at = 1000;
    expect(marks.report(host, 30)[0]).toBe("30");
    host.listener = { commit() {} };
    expect(marks.report(host, 40)).toEqual(["30", "0", ""]);
  });

  test("years without a word of the end take bounded memory", () => {
    const end = new FakeEnd();
    const host = passedOn(end);
    const marks = new EndMarks();
    marks.ask(host, true);
    for (let i = 1; i <= 10_000; i++) {
      end.at = i;
      marks.report(host, i);
      expect(marks["bytes"].length).toBeLessThanOrEqual(128);
    }
    // The older, the coarser.
    end.confirmed = 9950;
    end.at = Number.NaN;
    const reached = Number(marks.report(host, 10_001)[0]);
    expect(reached).toBeGreaterThan(9900);
    expect(reached).toBeLessThanOrEqual(9950);
  });
});

describe("what a parent says of the end", () => {
  const cases: { words: string[]; report: ReturnType<typeof readEndReport> }[] = [
    { words: [], report: null },
    { words: ["12"], report: { bytes: 12, reachSec: 0, fetchSec: 7, problem: "" } },
    { words: ["12", "34", "why"], report: { bytes: 12, reachSec: 34, fetchSec: 7, problem: "why" } },
    { words: ["-1", "x", 'a"\u0007'], report: { bytes: 0, reachSec: 0, fetchSec: 7, problem: "a_ " } },
    {
      words: ["1", "2", "y".repeat(900)],
      report: { bytes: 1, reachSec: 2, fetchSec: 7, problem: "y".repeat(200) },
    },
  ];
  test.each(cases)("$words", ({ words, report }) => {
    expect(readEndReport(words, 7)).toEqual(report);
  });

  test("an older parent of our kind says nothing of it, and that is told", () => {
    const link = { isConnected: true, isOurs: true, isReplicating: true, silentMs: 0, wholeBytes: () => 0 };
    const end = new EndConfirmation(true, link);
    const buffer = new SendBuffer(1000);
    end.begin("parent:19999");
    end.tell(buffer);
    expect(buffer.bytes.toString("latin1", 0, buffer.tail)).toBe('TRIBUTARY "CONFIRM" "end"\n');
    end.tell(buffer);
    expect(buffer.pendingBytes).toBe(26);
    expect(end.heard(25, null)).toBeNull();
    expect(end.shownProblem).toBe("");
    expect(end.heard(26, null)).toBeNull();
    expect(end.shownProblem).toBe("parent:19999 is of an older version, which confirms only what it has stored itself");
    // It was put up to date meanwhile.
    end.end(buffer.appendedBytes);
    buffer.clear();
    end.tell(buffer);
    expect(end.heard(30, { bytes: 20, reachSec: 60, fetchSec: 60, problem: "" })).toEqual({ bytes: 20, isAll: false });
    expect(end.shownProblem).toBe("");
  });

  test("after a connect nothing counts before the parent has all", () => {
    let whole = 100;
    const link = { isConnected: true, isOurs: true, isReplicating: true, silentMs: 0, wholeBytes: () => whole };
    const end = new EndConfirmation(false, link);
    const buffer = new SendBuffer(1000);
    const report = (bytes: number) => end.heard(bytes, { bytes, reachSec: 60, fetchSec: 60, problem: "" });
    end.ask(true);
    end.tell(buffer);
    const before = end.checkpoint();
    end.end(200);
    end.tell(buffer);
    whole = Number.NaN;
    expect(end.checkpoint()).toBeNaN();
    report(90);
    expect(end.confirmed).toBeLessThan(before);
    whole = 95;
    const after = end.checkpoint();
    expect(after).toBeGreaterThan(before);
    report(94);
    expect(end.confirmed).toBeLessThan(before);
    report(95);
    expect(end.confirmed).toBe(after);
  });

  test("whoever asked is told of a parent that has fallen silent", () => {
    const link = { isConnected: true, isOurs: true, isReplicating: true, silentMs: 60_000, wholeBytes: () => 0 };
    const end = new EndConfirmation(false, link);
    end.begin("parent:19999");
    end.ask(true);
    end.tell(new SendBuffer(1000));
    expect(end.problem).toBe("");
    link.silentMs = 0;
    end.heard(10, { bytes: 10, reachSec: 60, fetchSec: 60, problem: "" });
    link.silentMs = 4900;
    expect(end.problem).toBe("");
    link.silentMs = 5100;
    expect(end.problem).toBe("nothing is heard of parent:19999");
  });
});
