import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PROMPT_V1, PROMPT_VN, REFUSALS } from "../../agent/wire/answers.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import { dimension } from "../simulated-host.ts";
import { type FakeSocket, PusherScene, readStrictly } from "../unit/pusher-fixture.ts";

/** A busy machine is slow; a stuck test still ends. */
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

/** One thing that happens; numbers choose which of what there is. */
type Event =
  | { kind: "commit"; chart: number; values: (number | undefined)[] }
  | { kind: "confirm"; part: number }
  | {
      kind:
        | "flush"
        | "accept"
        | "acceptListed"
        | "refuse"
        | "eof"
        | "reset"
        | "silentClose"
        | "redefine"
        | "repeat"
        | "drain";
    }
  | { kind: "reject"; answer: number }
  | { kind: "room"; bytes: number }
  | { kind: "pass"; seconds: number }
  | { kind: "reload"; key: boolean; bufferSizeBytes: number };

const events: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      chart: fc.nat(2),
      values: fc.array(fc.option(fc.integer(), { nil: undefined }), { maxLength: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "accept" as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: "acceptListed" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("confirm" as const), part: fc.constantFrom(0.2, 0.5, 0.9, 1) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("refuse", "eof", "reset", "silentClose", "redefine", "repeat", "drain" as const),
    }) as fc.Arbitrary<Event>,
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reject" as const), answer: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("room" as const), bytes: fc.constantFrom(0, 1, 50, 1e9) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reload" as const),
      key: fc.boolean(),
      bufferSizeBytes: fc.constantFrom(300, 2000, 65_536),
    }),
  },
);

const ANSWERS = [...Object.values(REFUSALS).map(({ wire }) => wire), "nonsense", `${PROMPT_VN}5`, `${PROMPT_VN}64\n`];

/** Plays events against one link; whatever happens, the account adds up and every connection is a clean stream. */
class Play {
  /** A small buffer, so that it overflows. */
  readonly scene = new PusherScene({ timeoutSec: 5, bufferSizeBytes: 300, destinations: ["a", "b"] });
  readonly sockets: FakeSocket[] = [];
  private readonly charts = ["a.a", "a.b", "c.c"].map((id) => this.scene.chart(id, "x", "y", "z"));
  private redefined = 0;
  private looksAtOpen = 0;
  private offered = 0;

  async apply(event: Event): Promise<void> {
    const { scene } = this;
    const socket = this.sockets.at(-1);
    switch (event.kind) {
      case "commit":
        scene.commit(this.charts[event.chart]!, ...event.values);
        this.offered += event.values.filter((value) => value !== undefined).length;
        return;
      case "flush":
        return scene.flush();
      case "accept":
        await this.open();
        this.sockets.at(-1)?.send(PROMPT_V1);
        return scene.flush();
      case "acceptListed":
        if (await this.open()) this.sockets.at(-1)!.confirmedBytes = 0;
        this.sockets.at(-1)?.send(PROMPT_V1);
        return scene.flush();
      case "confirm":
        // Part of what is on the way; NaN stays NaN.
        if (socket !== undefined && !socket.isClosed) {
          socket.confirmedBytes += Math.floor(event.part * (socket.stream.length - socket.confirmedBytes));
        }
        return;
      case "refuse":
        if (scene.status.state === "connecting") await scene.attempt.refuse();
        return;
      case "reject":
        await this.open();
        this.sockets.at(-1)?.send(ANSWERS[event.answer % ANSWERS.length]!);
        return scene.flush();
      case "eof":
        socket?.finish();
        return scene.flush();
      case "reset":
        socket?.reset();
        return scene.flush();
      case "silentClose":
        // The kernel has told of it before: what it never lists is not watched.
        if (socket !== undefined && scene.looks > this.looksAtOpen) socket.isClosed = true;
        return;
      case "room":
        if (socket !== undefined) socket.room = event.bytes;
        return;
      case "drain":
        socket?.drain();
        return;
      case "pass":
        return scene.pass(event.seconds);
      case "redefine":
        scene.host.defineDimension(this.charts[0]!, dimension("x", "absolute", { divisor: ++this.redefined + 1 }));
        return;
      case "repeat":
        scene.pushers.repeatDefinitions(scene.host);
        return;
      case "reload":
        scene.settings = {
          ...scene.settings,
          bufferSizeBytes: event.bufferSizeBytes,
          apiKey: event.key ? "a0000000-0000-0000-0000-000000000000" : scene.settings.apiKey,
        };
        scene.pushers.attach(scene.host, scene.settings);
        return scene.flush();
    }
  }

  check(): void {
    const { values, bufferUsedBytes } = this.scene.status;
    expect(this.scene.imbalance).toBe(0);
    expect(values.offered).toBe(this.offered);
    for (const amount of [values.delivered, values.inFlight, values.queued, ...Object.values(values.lost)]) {
      expect(amount).toBeGreaterThanOrEqual(0);
    }
    if (bufferUsedBytes === 0) expect(values.queued).toBe(0);
  }

  /** @returns whether there is a new socket. */
  private async open(): Promise<boolean> {
    if (this.scene.status.state !== "connecting" || this.scene.attempt.isAborted()) return false;
    this.sockets.push(await this.scene.attempt.open());
    this.looksAtOpen = this.scene.looks;
    return true;
  }
}

/** Values in whole lines; what the peer's kernel did not confirm never came, where ours could know. */
function arrivedAt({ stream, confirmedBytes }: FakeSocket): number {
  // Every stream is a clean one, whatever came of it.
  readStrictly(stream, false);
  const came = Number.isNaN(confirmedBytes) ? stream : stream.subarray(0, confirmedBytes);
  return readStrictly(came, false).updates.reduce((sum, { values }) => sum + values.size, 0);
}

describe("a link's account", () => {
  test(
    "adds up after every event, and every connection carries whole lines only",
    async () => {
      let delivered = 0;
      const lost = new Set<string>();
      const property = fc.asyncProperty(fc.array(events, { minLength: 10, maxLength: 120 }), async (list) => {
        const play = new Play();
        for (const event of list) {
          await play.apply(event);
          play.check();
        }
        const arrived = play.sockets.reduce((sum, socket) => sum + arrivedAt(socket), 0);
        const { values } = play.scene.status;
        // What counts as delivered did arrive; more may have, just before a connection broke.
        expect(arrived).toBeGreaterThanOrEqual(values.delivered);
        delivered += values.delivered;
        for (const [reason, count] of Object.entries(values.lost)) if (count > 0) lost.add(reason);
      });
      await fc.assert(property, { seed: TEST_SEED, numRuns: IS_SOAK ? 5000 : 400 });
      // The events were such that every way was taken.
      expect([...lost].sort()).toEqual(["disconnect", "not_connected", "overflow", "refused"]);
      expect(delivered).toBeGreaterThan(50);
    },
    TIMEOUT_MS,
  );
});
