import { describe, expect } from "bun:test";
import { captureStreams, decodedLines } from "../capture-stream.ts";
import type { Agent } from "./agent.ts";
import { type DatabaseAccount, reportOf } from "./agent-report.ts";
import { compareCollected } from "./collected.ts";
import { HostView, readCharts, readPoints } from "./compare.ts";
import { type Lab, peerTest } from "./peer.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { NETDATA_KEY } from "./servers.ts";
import { readStreamText, type StreamText } from "./stream-text.ts";
import { waitFor } from "./wait.ts";

const HEAD = "STREAM key=x HTTP/1.1\r\n\r\n";
const SMALL_BYTES = 7;
const LARGE_BYTES = 65_536;
/** Iterations after the recorded ones, one a second, so that there is something to store. */
const ROUNDS = 8;
/** The first of them tell no interval and are not cut: they put all hosts into the middle of one second. */
const CLOCK_ROUNDS = 2;
/** Of these, the seconds that are compared, newest first: the first ones depend on the moment of the connection. */
const COMPARED_SEC = 4;

interface Capture {
  readonly file: string;
  readonly bytes: Buffer;
  /** It defines charts by the base protocol. */
  readonly hasCharts: boolean;
}

const FILES = [
  "netdata-1.6.0-child-v1.txt",
  "netdata-1.37.1-child-v1.txt",
  "netdata-2.9.0-child-v1.txt",
  "netdata-1.37.1-child-caps15296-replication.txt",
  "netdata-1.37.1-proxy-caps704.txt",
  "netdata-2.9.0-child-caps21184-text-interpolated.txt",
  "netdata-2.9.0-child-caps326592-slots-ieee754.txt",
];

function captures(): Capture[] {
  const recorded = FILES.map((file) => {
    const lines = captureStreams(file).flat();
    return { file, bytes: Buffer.concat(lines.map(({ bytes }) => bytes)) };
  });
  const decoded = {
    file: "netdata-1.37.1-child-lz4-decoded.txt",
    bytes: decodedLines("netdata-1.37.1-child-lz4-decoded.txt"),
  };
  return [...recorded, decoded].map((capture) => ({ ...capture, hasCharts: textOf(capture.bytes).charts.size > 0 }));
}

/** A chart without a `type.id` is ignored. */
function textOf(bytes: Buffer): StreamText {
  const text = readStreamText(Buffer.concat([Buffer.from(HEAD), bytes]));
  return { ...text, charts: new Map([...text.charts].filter(([id]) => /^[^.]+\../.test(id))) };
}

/** Further iterations of every chart of a stream: each dimension grows by its own constant amount. */
function roundOf({ charts }: StreamText, round: number): Buffer {
  let text = "";
  for (const [id, { dimensions, last }] of charts) {
    text += `BEGIN "${id}" ${round < CLOCK_ROUNDS ? 0 : 1_000_000}\n`;
    [...dimensions.keys()].forEach((dimension, index) => {
      const value = (last.get(dimension) ?? 0n) + BigInt((index + 1) * 1000 * (round + 1));
      text += `SET "${dimension}" = ${value}\n`;
    });
    text += "END\n";
  }
  return Buffer.from(text);
}

/** A child that replays a capture in pieces of one size. */
class Replay {
  readonly guid: string;
  readonly text: StreamText;
  private readonly child: RawChild;
  private readonly pieceBytes: number;

  private constructor(child: RawChild, guid: string, text: StreamText, pieceBytes: number) {
    this.child = child;
    this.guid = guid;
    this.text = text;
    this.pieceBytes = pieceBytes;
  }

  static async start(lab: Lab, parent: Agent, capture: Capture, index: number, pieceBytes: number): Promise<Replay> {
    const child = lab.use(await RawChild.connect(parent.port));
    const guid = `aaaaaaaa-0000-0000-0000-${String(10 * index + (pieceBytes === SMALL_BYTES ? 1 : 2)).padStart(12, "0")}`;
    const query = `key=${NETDATA_KEY}&hostname=h${index}&machine_guid=${guid}&os=linux&update_every=1`;
    expect(await child.ask(query)).toBe(PROMPT);
    const replay = new Replay(child, guid, textOf(capture.bytes), pieceBytes);
    await replay.send(capture.bytes);
    return replay;
  }

  async sendRound(round: number): Promise<void> {
    const bytes = roundOf(this.text, round);
    if (round < CLOCK_ROUNDS) this.child.send(bytes);
    else await this.send(bytes);
  }

  /** Lets the loop turn between pieces, so that the kernel gets them one by one. */
  async send(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.pieceBytes) {
      this.child.send(bytes.subarray(at, at + this.pieceBytes));
      await new Promise(setImmediate);
    }
  }

  end(): void {
    this.child.end();
  }

  get isOpen(): boolean {
    return !this.child.isClosed;
  }
}

/** Half a second away from the next full one: what is sent now belongs to one second for everybody. */
async function middleOfSecond(): Promise<void> {
  await Bun.sleep((1500 - (Date.now() % 1000)) % 1000);
}

async function replayAll(lab: Lab, parent: Agent): Promise<{ capture: Capture; small: Replay; large: Replay }[]> {
  await middleOfSecond();
  const pairs = await Promise.all(
    captures().map(async (capture, index) => ({
      capture,
      small: await Replay.start(lab, parent, capture, index, SMALL_BYTES),
      large: await Replay.start(lab, parent, capture, index, LARGE_BYTES),
    })),
  );
  for (let round = 0; round < ROUNDS; round++) {
    await Bun.sleep(100);
    await middleOfSecond();
    await Promise.all(pairs.flatMap(({ small, large }) => [small.sendRound(round), large.sendRound(round)]));
  }
  return pairs;
}

describe("recorded streams of netdata 1.6.0, 1.37.1 and 2.9.0", () => {
  peerTest(
    "over real sockets in pieces of 7 bytes and of 64 KiB: the same charts and data, nothing closed",
    {},
    async (lab) => {
      const parent = await lab.agent({
        config: `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`,
      });
      const pairs = await replayAll(lab, parent);
      expect(pairs.filter(({ capture }) => capture.hasCharts).length).toBeGreaterThanOrEqual(5);
      await waitFor("the last round at the parent", 20_000, () => haveAllEnded(parent, pairs));
      const nowSec = Math.floor(Date.now() / 1000);
      const window = [nowSec - 60, nowSec] as const;
      let points = 0;
      for (const { capture, small, large } of pairs) {
        expect({ file: capture.file, isOpen: small.isOpen && large.isOpen }).toMatchObject({ isOpen: true });
        points += await compareHosts(parent, capture, [small, large], window);
      }
      expect(points).toBeGreaterThan(100 * COMPARED_SEC);
      await compareAccounts(parent, pairs);
      expect(parent.log()).not.toMatch(/ error /);
    },
    120_000,
  );

  peerTest("an iteration that a broken connection cut off is accounted for", {}, async (lab) => {
    const parent = await lab.agent({ config: `[api_key."${NETDATA_KEY}"]\nenabled = true\n` });
    const child = lab.use(await RawChild.connect(parent.port));
    const guid = "aaaaaaaa-0000-0000-0000-000000000099";
    expect(await child.ask(`key=${NETDATA_KEY}&hostname=cut&machine_guid=${guid}`)).toBe(PROMPT);
    child.send(
      "CHART a.b\nDIMENSION x\nDIMENSION y\nBEGIN a.b\nSET x = 1\nSET y = 2\nEND\nBEGIN a.b\nSET x = 3\nSET y = ",
    );
    child.end();
    const host = await waitFor("its end", 5000, async () => {
      return (await reportOf(parent)).hosts.find((each) => each.guid === guid && each.status !== "online");
    });
    expect(host.balance).toMatchObject({ received: 3, base: 2, dropped: { malformed: 1 }, imbalance: 0 });
  });
});

async function compareHosts(
  parent: Agent,
  capture: Capture,
  [small, large]: readonly [Replay, Replay],
  window: readonly [number, number],
): Promise<number> {
  const views = [new HostView(parent.port, small.guid), new HostView(parent.port, large.guid)] as const;
  const [one, other] = [await readCharts(views[0]), await readCharts(views[1])];
  expect({ file: capture.file, charts: Object.fromEntries(other) }).toEqual({
    file: capture.file,
    charts: Object.fromEntries(one),
  });
  const defined = [...small.text.charts].filter(([, { dimensions }]) => dimensions.size > 0);
  expect([...one.keys()].toSorted()).toEqual(defined.map(([id]) => id).toSorted());
  let points = 0;
  for (const [id, { update_every }] of one) {
    // In seven seconds a slower chart may have one slot or two.
    if (update_every !== 1) continue;
    const [first, second] = [await newestValues(views[0], id, window), await newestValues(views[1], id, window)];
    expect({ file: capture.file, id, values: second }).toEqual({ file: capture.file, id, values: first });
    for (const { values } of first) points += values.length;
  }
  if (capture.hasCharts) expect(points).toBeGreaterThan(0);
  return points;
}

/**
 * The newest values of each dimension. Only their distance in time is looked at: a machine that stands still may put
 * the first values of two connections into different seconds.
 */
async function newestValues(view: HostView, chart: string, window: readonly [number, number]) {
  const points = await readPoints(view, chart, ...window);
  return [...points].map(([name, bySecond]) => {
    const stored = [...bySecond].filter(([, value]) => value !== null).toSorted(([one], [other]) => other - one);
    const newest = stored.slice(0, COMPARED_SEC);
    return { name, values: newest.map(([second, value]) => [newest[0]![0] - second, value]) };
  });
}

/** The last values that the parent shows are those of the last round. @throws Error with what differs. */
async function haveAllEnded(parent: Agent, pairs: { capture: Capture; small: Replay; large: Replay }[]): Promise<true> {
  for (const { capture, small, large } of pairs) {
    const last = textOf(Buffer.concat([capture.bytes, roundOf(small.text, ROUNDS - 1)]));
    for (const { guid } of [small, large]) {
      const { count, problems } = await compareCollected(last, new HostView(parent.port, guid));
      if (problems.length > 0 || (count === 0 && capture.hasCharts)) throw new Error(`${capture.file}: ${problems[0]}`);
    }
  }
  return true;
}

/** Both hosts have one account. */
async function compareAccounts(
  parent: Agent,
  pairs: { capture: Capture; small: Replay; large: Replay }[],
): Promise<void> {
  const { hosts } = await reportOf(parent);
  for (const { capture, small, large } of pairs) {
    const [one, other] = [small, large].map(({ guid }) => hosts.find((host) => host.guid === guid)!.balance);
    expect([one!.imbalance, other!.imbalance]).toEqual([0, 0]);
    expect({ file: capture.file, ...accountOf(other!) }).toEqual({ file: capture.file, ...accountOf(one!) });
  }
}

/** When two iterations fall into one second is a matter of the moment, all else is not. */
function accountOf({ received, stored, base, merged, dropped }: DatabaseAccount) {
  return { received, base, dropped, kept: stored + merged };
}
