import { describe, expect, test } from "bun:test";
import { BalanceCheck } from "../../agent/app/balance-check.ts";
import { Mismatches } from "../../agent/rrd/mismatches.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { CHILD_GUID, Load, Tree } from "./replication-tree.ts";

/** A child that has streamed for a while, looked at by a check of its own. */
async function world() {
  const tree = new Tree();
  const child = tree.add("child", "parent");
  tree.add("parent", null);
  const load = new Load(child, tree.clock);
  await tree.pass(10, () => load.collect());
  const lines: string[] = [];
  const quiet = { warn() {}, info() {}, debug() {} };
  const log = {
    ...quiet,
    error: (event: string, fields = {}) => void lines.push(`${event} ${JSON.stringify(fields)}`),
  };
  const mismatches = new Mismatches(tree.clock, log);
  const check = new BalanceCheck(child.database, child.pushers, tree.clock, mismatches);
  /** The account of the child's link, from outside. */
  const account = [...child.pushers["byHost"].values()][0]!.output.account;
  return { tree, child, check, mismatches, lines, account };
}

describe("the check of all accounts", () => {
  test("finds nothing where everything adds up, and says when it looked", async () => {
    const { tree, check, mismatches, lines } = await world();
    check.run();
    expect([lines, mismatches.counts]).toEqual([[], { database: 0, link: 0, stream: 0 }]);
    expect(mismatches.checkedSec).toBe(tree.clock.nowSec);
  });

  test("tells of a host's account that is off: once, and again when it is off by something else", async () => {
    const { child, check, mismatches, lines } = await world();
    child.local.balance.stored += 3;
    check.run();
    check.run();
    expect(lines).toEqual([
      `rrd.account_off {"guid":"${CHILD_GUID}","host":"01","problem":"the account of what was stored of it is off by -3 values: counted twice","advice":"this is a bug of ours, please report it; the agent goes on as before"}`,
    ]);
    child.local.balance.stored -= 5;
    check.run();
    expect(mismatches.counts).toEqual({ database: 2, link: 0, stream: 0 });
    expect(mismatches.latest[0]!.text).toBe("the account of what was stored of it is off by 2 values: lost");
    child.local.balance.stored += 2;
    check.run();
    // It adds up again; that it did not stays known.
    expect([lines.length, mismatches.latest.length]).toEqual([2, 2]);
  });

  test("tells of a link's account that is off, and the agent goes on when that link breaks", async () => {
    const { child, check, mismatches, account } = await world();
    account.delivered -= 7;
    check.run();
    const { kind, hostname, text } = mismatches.latest[0]!;
    expect([kind, hostname]).toEqual(["link", "01"]);
    expect(text).toBe("the account of its stream to parent:19999 is off by 7 values: lost");
    child.pushers.detach(child.local);
    check.run();
    expect([hopImbalance(account), mismatches.counts.link]).toEqual([7, 1]);
  });
});
