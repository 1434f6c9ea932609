import { expect } from "bun:test";
import { agentBinary } from "./binary.ts";
import { peerTest } from "./peer.ts";

const SECONDS = 30;

peerTest(
  `tributary demo --seconds ${SECONDS}: every account adds up at every hop, nothing lost, nothing left behind`,
  {},
  async (lab) => {
    const folder = lab.newFolder("demo");
    const env = { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder };
    const demo = lab.use(
      Bun.spawn([await agentBinary(), "demo", "--seconds", String(SECONDS)], {
        cwd: folder,
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    const [out, err, code] = await Promise.all([demo.stdout.text(), demo.stderr.text(), demo.exited]);
    expect({ code, err, out }).toMatchObject({ code: 0, err: "" });
    expect(out).toEndWith("Every value collected is accounted for at every hop: 0 lost.\n");
    // Every chart of the child is at both hops, with all its values; which of them are equal, the exit code has told.
    const compared = [...out.matchAll(/^(proxy|parent) +(\d+) +(\d+) +\d+ +(\d+) +\d+ +\d+$/gm)];
    expect(compared.map(([, role]) => role)).toEqual(["proxy", "parent"]);
    for (const [, , charts, values, rates] of compared) {
      expect(Number(charts)).toBeGreaterThan(20);
      expect(Number(values)).toBeGreaterThan(200);
      expect(Number(rates)).toBeGreaterThan(5);
    }
    const rows = closingRows(out);
    // The parent's own host goes no further than itself, the proxy's two places, the child's three.
    expect(rows.map(({ host, at }) => `${host} ${at}`).toSorted()).toEqual([
      "demo-child child",
      "demo-child parent",
      "demo-child proxy",
      "demo-parent parent",
      "demo-proxy parent",
      "demo-proxy proxy",
    ]);
    const entered = new Map(rows.map(({ host, at, collected, received }) => [`${host} ${at}`, collected + received]));
    // A chart streams once the next agent has asked for its past: its first values go that way.
    const isFirst = (row: { offered: number; replayed: number }) => row.replayed < row.offered / 2;
    expect(rows.filter(({ offered }) => offered > 0).every(isFirst)).toBe(true);
    // Ten collections at the very least, of dozens of values each.
    expect(entered.get("demo-child child")!).toBeGreaterThan(1000);
    for (const { host, collected, received, fetched, stored, base, merged, dropped, lost } of rows) {
      expect({ host, entered: collected + received + fetched, dropped, lost }).toEqual({
        host,
        entered: stored + base + merged,
        dropped: 0,
        lost: 0,
      });
    }
    for (const [from, to] of [
      ["child", "proxy"],
      ["proxy", "parent"],
    ]) {
      for (const { host, at, offered, replayed } of rows) {
        const sent = offered - replayed;
        if (at === from) expect({ host, at, sent }).toEqual({ host, at, sent: entered.get(`${host} ${to}`)! });
      }
    }
    expect(await Array.fromAsync(new Bun.Glob("**").scan({ cwd: folder, onlyFiles: false }))).toEqual([]);
  },
  120_000,
);

/** The last table of the demonstration. */
function closingRows(out: string) {
  const table = out.slice(out.indexOf("balance at the end\n")).split("\n").slice(2);
  const rows = table.map((line) => line.trim().split(/\s+/)).filter((words) => words.length === 12);
  return rows.map(([host = "", at = "", ...numbers]) => {
    const [collected = 0, received = 0, fetched = 0, stored = 0, base = 0, merged = 0] = numbers.map(Number);
    const [dropped = 0, offered = 0, replayed = 0, lost = 0] = numbers.slice(6).map(Number);
    return { host, at, collected, received, fetched, stored, base, merged, dropped, offered, replayed, lost };
  });
}
