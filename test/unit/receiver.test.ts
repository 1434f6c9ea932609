import { describe, expect, test } from "bun:test";
import type { Log, LogFields } from "../../agent/base/log.ts";
import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import { childSettings } from "../../agent/config/child-settings.ts";
import { parseConfig } from "../../agent/config/load.ts";
import type { Config } from "../../agent/config/schema.ts";
import { Receiver, type ReceiverSettings } from "../../agent/receiver/receiver.ts";
import { Database, type DatabaseLimits } from "../../agent/rrd/database.ts";
import { Mismatches } from "../../agent/rrd/mismatches.ts";
import { PROMPT_V1, REFUSALS } from "../../agent/wire/answers.ts";
import { FakeClock } from "./door-fixture.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
const OWN = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0000";

class Socket implements StreamSocket {
  text = "";
  isOpen = true;
  owner: SocketOwner | null = null;

  write(bytes: Uint8Array): number {
    this.text += Buffer.from(bytes).toString();
    return bytes.length;
  }

  shutdown(): void {}

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.owner?.close(this);
  }

  terminate(): void {
    this.end();
  }

  pause(): void {}

  resume(): void {}
}

function settingsOf(toml: string): ReceiverSettings {
  const loaded = parseConfig(toml, "test.toml");
  if (loaded instanceof Error) throw loaded;
  const config: Config = loaded.config;
  return {
    childSettings: (key, guid) => childSettings(config, key, guid),
    isAllowed: () => true,
    acceptPerSecondMax: config.stream.accept_per_second_max,
    receiveTimeoutSec: config.stream.receive_timeout_seconds,
    cleanupOrphansAfterSec: config.db.cleanup_orphan_hosts_after_seconds,
    gapIterations: 3,
    updateEverySec: 1,
  };
}

const ENABLED = `[api_key."${KEY}"]\nenabled = true\n`;

const LIMITS: DatabaseLimits = {
  memoryBytes: 2 ** 30,
  hosts: 3,
  chartsPerHost: 100,
  dimensionsPerChart: 100,
  newChartsPerMinute: 100,
};

/** A line of the log. */
interface LogLine {
  readonly level: keyof Log;
  readonly event: string;
  readonly fields: LogFields;
}

class World {
  readonly clock = new FakeClock();
  readonly connected: string[][] = [];
  readonly lines: LogLine[] = [];
  /** What limits of the database refused. */
  readonly limits: string[] = [];
  readonly database: Database;
  readonly receiver: Receiver;

  constructor(toml = ENABLED, limits: Partial<DatabaseLimits> = {}, isAllowed = (_address: string) => true) {
    this.database = new Database({ ...LIMITS, ...limits }, (...what) => this.limits.push(what.join(" ")));
    const line = (level: keyof Log) => {
      return (event: string, fields: LogFields = {}) => void this.lines.push({ level, event, fields });
    };
    const log = { error: line("error"), warn: line("warn"), info: line("info"), debug: line("debug") };
    this.receiver = new Receiver({
      database: this.database,
      clock: this.clock,
      log,
      mismatches: new Mismatches(this.clock, log),
      ownGuid: OWN,
      settings: { ...settingsOf(toml), isAllowed },
      afterData: () => {},
      connected: (host, key) => this.connected.push([host.hostname, key]),
    });
  }

  connect(query: string, address = "10.0.0.1"): { socket: Socket; answer: string } {
    const socket = new Socket();
    const taken = this.receiver.take({ socket, head: Buffer.from(`STREAM ${query} HTTP/1.1\r\n\r\n`), address });
    if (typeof taken === "string") return { socket, answer: taken };
    socket.owner = taken;
    return { socket, answer: socket.text };
  }

  sweep(seconds: number): void {
    this.clock.advance(seconds * 1000);
    this.receiver.sweep();
  }
}

const child = (guid = GUID, more = "") => `key=${KEY}&hostname=edge&machine_guid=${guid}${more}`;

describe("a stream request", () => {
  test("is answered with the bare prompt and makes a host", () => {
    const world = new World();
    expect(world.connect(child(GUID, "&os=linux&update_every=5&hops=2")).answer).toBe(PROMPT_V1);
    const host = world.database.host(GUID)!;
    expect([host.hostname, host.updateEverySec, host.hops, host.isConnected]).toEqual(["edge", 5, 2, true]);
  });

  test.each([
    ["no key", "hostname=e&machine_guid=x", "no_key"],
    ["an unknown key", child().replace(KEY, OWN), "key_unknown"],
    ["our own GUID", child(OWN), "own_guid"],
    ["eleven hops", child(GUID, "&hops=11"), "too_many_hops"],
  ] as const)("with %s is refused", (_name, query, refusal) => {
    const world = new World();
    expect(world.connect(query).answer).toBe(REFUSALS[refusal].wire);
    expect(world.database.hostCount).toBe(0);
    expect(world.receiver.counters).toMatchObject({ accepted: 0, rejected: 1 });
  });

  test("of a machine that is streaming is refused while the first one is alive, and replaces it when it is not", () => {
    const world = new World();
    const first = world.connect(child()).socket;
    expect(world.connect(child()).answer).toBe(REFUSALS.duplicate.wire);
    world.clock.advance(30_000);
    expect(world.connect(child()).answer).toBe(PROMPT_V1);
    expect(first.isOpen).toBe(false);
    expect(world.database.host(GUID)!.isConnected).toBe(true);
    expect(world.receiver.connectionCount).toBe(1);
  });

  test("of a machine whose agent is of our kind replaces a first one that has been silent for 5 s", () => {
    const world = new World();
    const request = `${child()}&tributary=1`;
    const first = world.connect(request).socket;
    world.clock.advance(4999);
    expect(world.connect(request).answer).toBe(REFUSALS.duplicate.wire);
    world.clock.advance(1);
    expect(world.connect(request).answer).toBe(PROMPT_V1);
    expect(first.isOpen).toBe(false);
  });

  test("beyond the rate of a second, or the limit of hosts, is told that we are busy", () => {
    const world = new World(`${ENABLED}[stream]\naccept_per_second_max = 2\n`);
    const guids = [1, 2, 3, 4].map((n) => GUID.replace(/1$/, String(n)));
    const answers = guids.map((guid) => world.connect(child(guid)).answer);
    expect(answers).toEqual([PROMPT_V1, PROMPT_V1, REFUSALS.busy.wire, REFUSALS.busy.wire]);
    world.clock.advance(1000);
    expect(world.connect(child(guids[2])).answer).toBe(PROMPT_V1);
    expect(world.connect(child(guids[3])).answer).toBe(REFUSALS.busy.wire);
  });
});

describe("a refusal is explained", () => {
  const OTHER_KEY = "22222222-2222-3333-4444-555555556666";
  const MACHINE = GUID.replace(/1$/, "2");
  const toml = `${ENABLED}allow_from = "10.*"
[api_key."${OTHER_KEY}"]
enabled = false
[machine."${MACHINE}"]
allow_from = "10.0.0.1"
[stream]
accept_per_second_max = 3
`;
  const cases: { name: string; query: string; address?: string; reason: string; advice: string }[] = [
    {
      name: "no key",
      query: `hostname=edge&machine_guid=${GUID}`,
      reason: "no_key",
      advice: 'give the child an API key, a GUID, as its stream.api_key: "tributary key" makes one',
    },
    {
      name: "a key that is not known",
      query: child().replace(KEY, OWN),
      reason: "key_unknown",
      advice: 'add [api_key."…0000"] with enabled = true here, the key in full, or give the child a key known here',
    },
    {
      name: "a key that is switched off",
      query: child().replace(KEY, OTHER_KEY),
      reason: "key_not_permitted",
      advice: 'set enabled = true in [api_key."…6666"] here, or give the child another key',
    },
    {
      name: "an address that the key is not for",
      query: child(),
      address: "192.0.2.7",
      reason: "key_address_not_permitted",
      advice: 'add 192.0.2.7 to allow_from of [api_key."…5555"] here',
    },
    {
      name: "an address that the machine is not for",
      query: child(MACHINE),
      address: "10.0.0.9",
      reason: "machine_address_not_permitted",
      advice: `add 10.0.0.9 to allow_from of [machine."${MACHINE}"] here`,
    },
    {
      name: "an address that may not stream at all",
      query: child(),
      address: "203.0.113.1",
      reason: "streaming_address_not_permitted",
      advice: "add 203.0.113.1 to web.allow_streaming_from here",
    },
    {
      name: "our own GUID",
      query: child(OWN),
      reason: "own_guid",
      advice:
        "if it is not this very agent, one disk is a copy of the other: delete machine.guid in the state directory " +
        "of the copy, and restart it",
    },
  ];
  test.each(cases)("$name", ({ query, address = "10.0.0.1", reason, advice }) => {
    const world = new World(toml, {}, (from) => from !== "203.0.113.1");
    const { answer } = world.connect(query, address);
    const [refusal, ...more] = world.receiver.refusals.latest;
    expect(more).toEqual([]);
    expect(refusal).toMatchObject({ times: 1, address, hostname: "edge", reason, advice });
    expect(REFUSALS[refusal!.reason as keyof typeof REFUSALS]).toMatchObject({ wire: answer, reason: refusal!.text });
    const line = world.lines.find(({ event }) => event === "receiver.stream_refused");
    expect(line?.fields).toMatchObject({ refused: `${address} ${reason}`, advice });
    expect(JSON.stringify([refusal, line])).not.toMatch(new RegExp(`${KEY}|${OTHER_KEY}`));
  });

  test("a GUID in use: who has it; a rate and a limit: which", () => {
    const world = new World(toml, { hosts: 2 });
    world.connect(child());
    world.connect(child(), "10.0.0.2");
    world.connect(child(MACHINE));
    world.clock.advance(1000);
    world.connect(child(GUID.replace(/1$/, "3")));
    for (const n of [4, 5, 6]) world.connect(child(GUID.replace(/1$/, String(n))));
    const told = world.receiver.refusals.latest.map(({ reason, advice }) => `${reason}: ${advice}`);
    expect(told.at(-1)).toStartWith(
      "duplicate: nothing, if it passes within 30 s; else it is another machine than edge (10.0.0.1), with a copy",
    );
    expect(told).toContain(
      "too_many_hosts: raise db.hosts_max or db.memory_limit_bytes here; the event rrd.limit_reached says which",
    );
    expect(told[0]).toStartWith("busy: nothing, the child comes back; for more at once raise stream.accept_per_second");
  });

  test("values ahead of our clock, once a connection", () => {
    const world = new World();
    const { socket } = world.connect(child());
    const send = (text: string) => socket.owner!.data(socket, Buffer.from(text));
    send('CHART "a.b" "" "" "" "" "" "line" 1 1\nDIMENSION "x" "" "absolute" 1 1\n');
    for (const us of [0, 1e6, 60e6, 60e6]) send(`BEGIN a.b ${us}\nSET x = 1\nEND\n`);
    expect(world.receiver.refusals.latest).toMatchObject([
      { reason: "clock_ahead", times: 1, hostname: "edge", advice: expect.stringContaining("NTP") },
    ]);
    expect(world.lines.find(({ event }) => event === "receiver.values_ahead")?.fields["advice"]).toContain("NTP");
  });

  test("the last twenty are kept, and one that comes again is one of them", () => {
    const world = new World();
    const name = (n: number) => `${"x".repeat(n === 30 ? 500 : 1)}${n}`;
    for (let n = 1; n <= 30; n++) {
      world.connect(`key=${OWN}&hostname=${name(n)}&machine_guid=${GUID}`);
      world.connect(`key=${OWN}&hostname=again&machine_guid=${GUID}`);
    }
    const { latest } = world.receiver.refusals;
    expect(latest.map(({ hostname }) => hostname).slice(0, 4)).toEqual(["again", "x".repeat(200), "x29", "x28"]);
    expect([latest.length, latest[0]!.times, latest[1]!.times]).toEqual([20, 30, 1]);
  });
});

describe("what is agreed with a child", () => {
  const VN = "Hit me baby, push them over with the version=";
  const cases: { ver: string; prompt: string }[] = [
    { ver: "", prompt: PROMPT_V1 },
    { ver: "&ver=1", prompt: PROMPT_V1 },
    { ver: "&ver=2", prompt: "Hit me baby, push them over and bring the host labels..." },
    { ver: "&ver=5", prompt: `${VN}4` },
    { ver: "&ver=704", prompt: `${VN}704` },
    { ver: "&ver=16376", prompt: `${VN}4800` },
    { ver: "&ver=63241208", prompt: `${VN}21184` },
    { ver: "&ver=63241208&tributary=1", prompt: `${VN}4800` },
  ];
  test.each(cases)("$ver", ({ ver, prompt }) => {
    const world = new World();
    expect(world.connect(`key=${KEY}&hostname=h&machine_guid=${GUID}${ver}`).answer).toBe(prompt);
  });

  test("its labels and those of its charts are kept, each set as a whole, and stay when it comes back", () => {
    const world = new World();
    const { socket } = world.connect(`key=${KEY}&hostname=h&machine_guid=${GUID}&ver=704`);
    const host = world.database.host(GUID)!;
    const send = (text: string) => socket.owner!.data(socket, Buffer.from(text));
    send('LABEL "_os_name" = 1 "My OS"\nLABEL "room" = 2147483650 "server room"\nOVERWRITE labels\n');
    const names = () => host.labels.map(({ name, value, source }) => `${name}=${value} ${source}`);
    expect(names()).toEqual(["_os_name=My OS 1", "room=server room 2"]);
    send('CHART "a.b" "" "" "" "" "" "line" 1 1 "" "p" "m"\nCLABEL "_collect_plugin" "p" 536870913\n');
    send('CLABEL "dev" "eth 0" 1\nCLABEL_COMMIT\nDIMENSION "x" "" "absolute" 1 1\n');
    const chart = host.chart("a.b")!;
    expect(chart.labels).toEqual([{ name: "dev", value: "eth 0", source: 1 }]);
    const { version } = chart;
    send('CHART "a.b" "" "" "" "" "" "line" 1 1 "" "p" "m"\nCLABEL "dev" "eth 0" 1\nCLABEL_COMMIT\n');
    expect(chart.version).toBe(version);
    send('LABEL "room" = 2 "cellar"\nOVERWRITE labels\n');
    expect(names()).toEqual(["room=cellar 2"]);
    socket.end();
    world.connect(`key=${KEY}&hostname=h&machine_guid=${GUID}`);
    expect(names()).toEqual(["room=cellar 2"]);
    send("OVERWRITE labels\n");
    expect(names()).toEqual(["room=cellar 2"]);
  });

  test("a chart and a dimension that are said to be obsolete are retired", () => {
    const world = new World();
    const { socket } = world.connect(`key=${KEY}&hostname=h&machine_guid=${GUID}&ver=704`);
    const chart = '"a.b" "" "" "" "" "" "line" 1 1';
    socket.owner!.data(socket, Buffer.from(`CHART ${chart} ""\nDIMENSION "x" "" "absolute" 1 1\n`));
    expect(world.database.host(GUID)!.chart("a.b")!.isVisible).toBe(true);
    socket.owner!.data(socket, Buffer.from(`CHART ${chart} "obsolete"\nDIMENSION "x" "" "absolute" 1 1 "obsolete"\n`));
    expect(world.database.host(GUID)!.chart("a.b")!.isVisible).toBe(false);
  });
});

describe("what is missing of a host", () => {
  const missingAfter = (query: string) => {
    const world = new World();
    const { socket } = world.connect(child());
    const host = world.database.host(GUID)!;
    socket.end();
    host.missingFromSec = 1_700_000_000;
    expect(world.connect(child(GUID, query)).answer).not.toBe("");
    world.sweep(1);
    return host.missingFromSec;
  };

  test("stays so while its child may still be asked for it", () => {
    expect(missingAfter("&ver=4800&tributary=1")).toBe(1_700_000_000);
  });

  test("is given up when its child cannot be asked", () => expect(missingAfter("")).toBe(0));
});

describe("a connected child", () => {
  test("that is silent for the limit is closed", () => {
    const world = new World();
    const { socket } = world.connect(child());
    world.sweep(119);
    expect(socket.isOpen).toBe(true);
    socket.owner!.data(socket, Buffer.from("\n"));
    world.sweep(119);
    expect(socket.isOpen).toBe(true);
    world.sweep(2);
    expect(socket.isOpen).toBe(false);
    expect(world.receiver.counters).toMatchObject({ timeout: 1, closed: 1 });
  });

  test("whose one read is not stored within that time is closed, and what is left of it is told of", () => {
    const world = new World();
    const { socket } = world.connect(child());
    const { clock, lines } = world;
    // Each look at the clock takes so long that hardly anything is stored in a turn, and no turn follows.
    let lookMs = clock.monotonicMs();
    clock.monotonicMs = () => {
      lookMs += 10;
      return lookMs;
    };
    clock.setTimer = () => ({ [Symbol.dispose]: () => {} });
    const text = `CHART a.b "" "" "" "" "" line 1 1\nDIMENSION x\n${"BEGIN a.b 0\nSET x = 1\nEND\n".repeat(1000)}`;
    socket.owner!.data(socket, Buffer.from(text));
    world.receiver.sweep();
    expect(socket.isOpen).toBe(true);
    lookMs += 121_000;
    world.receiver.sweep();
    expect(socket.isOpen).toBe(false);
    const of = (event: string) => lines.find((line) => line.event === event)?.fields;
    expect(of("receiver.child_disconnected")).toMatchObject({ reason: "takes too long to store what it sent" });
    expect(of("receiver.bytes_discarded")!["bytes"]).toBeGreaterThan(20_000);
    expect(world.receiver["context"].inputTurns.waiting).toBe(0);
  });

  test("is forgotten an hour after it left, not before, and not when it is back", () => {
    const world = new World();
    world.connect(child()).socket.end();
    world.sweep(3599);
    expect(world.database.host(GUID)).toBeDefined();
    const { socket } = world.connect(child());
    world.sweep(60);
    expect(world.database.host(GUID)!.isConnected).toBe(true);
    socket.end();
    for (let minute = 0; minute < 61; minute++) world.sweep(60);
    expect(world.database.host(GUID)).toBeUndefined();
  });

  test("goes on through a reload that allows it, and is closed by one that does not", () => {
    const world = new World();
    const { socket } = world.connect(child());
    world.receiver.reload(settingsOf(ENABLED));
    expect(socket.isOpen).toBe(true);
    expect(world.connected).toEqual([["edge", KEY]]);
    world.receiver.reload(settingsOf(`${ENABLED}allow_from = "192.168.*"\n`));
    expect(socket.isOpen).toBe(false);
  });

  test("follows a reload in how long it may be silent, at once", () => {
    const world = new World();
    const { socket } = world.connect(child());
    world.sweep(100);
    expect(socket.isOpen).toBe(true);
    world.receiver.reload(settingsOf(`${ENABLED}[stream]\nreceive_timeout_seconds = 90\n`));
    world.sweep(0);
    expect(socket.isOpen).toBe(false);
    const slow = world.connect(child(GUID.replace(/1$/, "2"), "&update_every=30"));
    world.sweep(100);
    expect(slow.socket.isOpen).toBe(true);
  });

  test("is forgotten after the time that a reload gave, although it was away by then", () => {
    const world = new World();
    world.connect(child()).socket.end();
    world.receiver.reload(settingsOf(`${ENABLED}[db]\ncleanup_orphan_hosts_after_seconds = 60\n`));
    world.sweep(61);
    expect(world.database.host(GUID)).toBeUndefined();
  });

  test("is taken as often in a second as a reload allows", () => {
    const world = new World();
    world.receiver.reload(settingsOf(`${ENABLED}[stream]\naccept_per_second_max = 1\n`));
    expect(world.connect(child()).answer).toBe(PROMPT_V1);
    expect(world.connect(child(GUID.replace(/1$/, "2"))).answer).toBe(REFUSALS.busy.wire);
  });

  test("is closed by 1000 malformed lines in 10 s, each counted", () => {
    const world = new World();
    const { socket } = world.connect(child());
    socket.owner!.data(socket, Buffer.from("DIMENSION\n".repeat(999)));
    expect(socket.isOpen).toBe(true);
    socket.owner!.data(socket, Buffer.from("DIMENSION\n"));
    expect(socket.isOpen).toBe(false);
    expect(world.receiver.counters.lines.malformed).toBe(1000);
  });
});

describe("the clock of a stream", () => {
  const DEFINED =
    "CHART t.a '' '' '' '' '' line 1 1\nDIMENSION x '' absolute 1 1 ''\n" +
    "CHART t.b '' '' '' '' '' line 1 1\nDIMENSION x '' absolute 1 1 ''\n";
  const iteration = (chart: string, us: number) => `BEGIN ${chart} ${us}\nSET x = 1\nEND\n`;

  /** A child that has sent its definitions and two iterations of both charts. */
  function streaming(): { world: World; send: (text: string) => void } {
    const world = new World();
    const { socket } = world.connect(child());
    const send = (text: string) => socket.owner!.data(socket, Buffer.from(text));
    send(DEFINED);
    for (let i = 0; i < 3; i++) {
      world.clock.advance(1000);
      send(iteration("t.a", 0) + iteration("t.b", 0));
    }
    return { world, send };
  }

  test("a chart whose lag stays takes its time from our clock, the others go on undisturbed", () => {
    const { world, send } = streaming();
    const host = world.database.host(GUID)!;
    const [late, good] = ["t.a", "t.b"].map((id) => host.chart(id)!);
    const nowUs = () => world.clock.nowUs();
    // Ten seconds are missing of one chart, which its child never noticed.
    for (let second = 0; second < 200; second++) {
      world.clock.advance(1000);
      send((second < 10 ? "" : iteration("t.a", 1_000_000)) + iteration("t.b", 1_000_000));
      if (second === 60) expect(nowUs() - late!.lastCollectedUs).toBeGreaterThan(9e6);
    }
    expect(nowUs() - late!.lastCollectedUs).toBeLessThan(2e6);
    expect(good!.syncClock).toBe(false);
    expect(world.receiver.counters.reanchored).toBe(1);
    expect(world.lines.map(({ event }) => event)).toContain("receiver.clock_reanchored");
  });

  test("a chart without dimensions has no lag", () => {
    const { world, send } = streaming();
    send("CHART t.empty '' '' '' '' '' line 1 1\n");
    for (let second = 0; second < 200; second++) {
      world.clock.advance(1000);
      send(`${iteration("t.a", 1_000_000)}BEGIN t.empty 1000000\nEND\n`);
    }
    expect(world.receiver.counters.reanchored).toBe(0);
  });

  test("values ahead of our clock are told once a connection", () => {
    const { world, send } = streaming();
    // After each the next interval is taken from our clock, whatever the child says.
    for (let i = 0; i < 40; i++) send(iteration("t.a", 7_000_000));
    const told = world.lines.filter(({ event }) => event === "receiver.values_ahead");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ level: "error", fields: { host: "edge", address: "10.0.0.1" } });
    expect(world.database.host(GUID)!.balance.dropped.clock).toBe(20);
  });

  test("a clock of ours that was put back is told once a connection, and nothing is lost", () => {
    const { world, send } = streaming();
    world.clock.step(-600_000);
    for (let i = 0; i < 5; i++) {
      world.clock.advance(1000);
      send(iteration("t.a", 1_000_000) + iteration("t.b", 1_000_000));
    }
    expect(world.lines.map(({ event }) => event)).toEqual(["receiver.child_connected", "receiver.clock_set_back"]);
    expect(world.database.host(GUID)!.balance).toMatchObject({ received: 16, dropped: { clock: 0 } });
  });
});

describe("what a limit refuses", () => {
  test("is counted as that, and does not hide what is really unknown", () => {
    const world = new World(ENABLED, { dimensionsPerChart: 1 });
    const { socket } = world.connect(child());
    const send = (text: string) => socket.owner!.data(socket, Buffer.from(text));
    send("CHART t.a '' '' '' '' '' line 1 1\nDIMENSION x '' absolute 1 1 ''\nDIMENSION y '' absolute 1 1 ''\n");
    send("BEGIN t.a 0\nSET x = 1\nSET y = 2\nSET z = 3\nEND\n");
    const { balance } = world.database.host(GUID)!;
    expect(balance.dropped).toMatchObject({ limit: 1, malformed: 1 });
    expect(world.receiver.counters.lines.no_dimension).toBe(1);
    expect(world.limits).toEqual(["dimensions_per_chart_max edge dimension y of chart t.a"]);
  });
});
