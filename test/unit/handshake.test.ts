import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { PROMPT_V1, PROMPT_V2, PROMPT_VN, REFUSALS, type Rejection, readAnswer } from "../../agent/wire/answers.ts";
import {
  buildStreamRequest,
  parseStreamRequest,
  REQUEST_BYTES_MAX,
  type StreamFields,
} from "../../agent/wire/handshake.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0137";

/** The request head at the first STREAM line of a capture. */
function capturedHead(name: string): Buffer {
  const lines = readFileSync(new URL(`../fixtures/captures/${name}`, import.meta.url), "utf8").split("\n");
  const first = lines.findIndex((line) => line.includes("<< STREAM "));
  const last = lines.findIndex((line, index) => index > first && line.endsWith("<< \\r\\n"));
  const head = lines.slice(first, last + 1).map((line) => line.slice(line.indexOf("<< ") + 3));
  return Buffer.from(head.join("").replaceAll("\\r\\n", "\r\n"));
}

const fields: StreamFields = {
  key: KEY,
  hostname: "edge-7",
  machineGuid: GUID,
  os: "linux",
  updateEverySec: 1,
  registryHostname: "edge-7",
  tags: "",
  timezone: "Europe/Berlin",
  abbrevTimezone: "CET",
  utcOffsetSec: 3600,
  hops: 1,
  systemInfo: new Map(),
  program: "tributary",
  version: "0.1.0",
  ver: 0,
  isTributary: false,
};

const NEEDED = ["OS_NAME", "OS_ID", "OS_VERSION", "KERNEL_NAME", "KERNEL_VERSION"].map((n) => `NETDATA_SYSTEM_${n}`);

describe("parseStreamRequest, real requests", () => {
  const common = { key: KEY, os: "linux", updateEverySec: 1, problem: null };
  const cases = [
    {
      file: "netdata-1.6.0-child-v1.txt",
      want: { hostname: "child16", machineGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0016", ver: 0, hops: 1 },
      agent: ["netdata-push-service", "1.6.0"],
      info: {},
      infoCount: 0,
    },
    {
      file: "netdata-1.37.1-child-v1.txt",
      want: { hostname: "c1", registryHostname: "c1", machineGuid: GUID, timezone: "Etc/UTC", ver: 15352, hops: 1 },
      agent: ["netdata", "v1.37.1"],
      info: { NETDATA_CONTAINER_OS_NAME: "Debian GNU/Linux", NETDATA_CONTAINER_OS_VERSION: "12 (bookworm)" },
      infoCount: 28,
    },
    {
      file: "netdata-2.9.0-child-v1.txt",
      want: { hostname: "child29", timezone: "Etc/UTC", abbrevTimezone: "UTC", ver: 63241208 },
      agent: ["netdata", "v2.9.0"],
      // Empty parameters count as absent.
      info: { NETDATA_PROTOCOL_VERSION: "1.1" },
      infoCount: 1,
    },
    {
      file: "netdata-1.37.1-proxy-caps704.txt",
      want: { key: "77777777-2222-3333-4444-555555555555", hostname: "proxied2", hops: 2, ver: 16376 },
      agent: ["tinyagent", "0.1"],
      info: { NETDATA_SYSTEM_OS_NAME: "MyOS", NETDATA_SYSTEM_KERNEL_VERSION: "6.1" },
      infoCount: 6,
    },
  ];
  test.each(cases)("$file", ({ file, want, agent, info, infoCount }) => {
    const request = parseStreamRequest(capturedHead(file));
    expect(request).toMatchObject({ ...common, ...want });
    expect([request.program, request.version]).toEqual(agent);
    for (const [name, value] of Object.entries(info)) expect(request.systemInfo.get(name)).toBe(value);
    expect(request.systemInfo.size).toBe(infoCount);
  });
});

describe("parseStreamRequest, odd and bad heads", () => {
  const ok = `key=${KEY}&hostname=h&machine_guid=${GUID}`;
  const cases: { target: string; want: object }[] = [
    { target: ok, want: { problem: null, os: "unknown", updateEverySec: 0, hops: 1, registryHostname: "h" } },
    { target: `?${ok}`, want: { problem: null, hostname: "h" } },
    { target: `${ok}&hostname=&hostname=later`, want: { hostname: "later" } },
    { target: `${ok}&hostname=later&hostname=`, want: { hostname: "later" } },
    { target: `${ok}&tags=a+b%20c=d`, want: { tags: "a b c=d" } },
    { target: `${ok}&timezone=Etc%2fUTC`, want: { timezone: "Etc/UTC" } },
    { target: `${ok}&os=a%26hostname=split`, want: { os: "a", hostname: "split" } },
    { target: `${ok}&os=50%&tags=%zz%4`, want: { os: "50%", tags: "%zz%4" } },
    { target: `${ok}&os=a%0ab%00%7f`, want: { os: "a_b__" } },
    { target: `${ok}&hostname=a HTTP/2 b`, want: { hostname: "a HTTP/2 b" } },
    { target: `${ok}&hostname=m%C3%BCnchen`, want: { hostname: "münchen" } },
    { target: `${ok}&hostname=${"ü".repeat(150)}`, want: { hostname: "ü".repeat(100) } },
    {
      target: `${ok}&hops=3&update_every=10&utc_offset=-3600&ver=704`,
      want: { hops: 3, utcOffsetSec: -3600, ver: 704 },
    },
    { target: `${ok}&hops=x&update_every=-1&utc_offset=1e9&ver=`, want: { hops: 1, updateEverySec: 0, ver: 0 } },
    { target: `${ok}&hops=99999999999`, want: { hops: 1_000_000 } },
    {
      target: ok.toUpperCase().replace("KEY", "key").replace("HOSTNAME", "hostname"),
      want: { problem: "no_machine_guid" },
    },
    { target: `key=${KEY}&hostname=h&machine_guid=${GUID.toUpperCase()}`, want: { machineGuid: GUID, problem: null } },
    { target: `hostname=h&machine_guid=${GUID}`, want: { problem: "no_key" } },
    { target: `key=&hostname=h&machine_guid=${GUID}`, want: { problem: "no_key" } },
    { target: "key=x", want: { problem: "no_hostname" } },
    { target: "key=x&hostname=h", want: { problem: "no_machine_guid" } },
    { target: "key=x&hostname=h&machine_guid=y", want: { problem: "key_invalid", key: "x" } },
    { target: `key=${KEY.replaceAll("-", "")}&hostname=h&machine_guid=y`, want: { problem: "key_invalid" } },
    { target: `key=${KEY}&hostname=h&machine_guid=zzz`, want: { problem: "machine_guid_invalid", machineGuid: "zzz" } },
    { target: "", want: { problem: "no_key" } },
  ];
  test.each(cases)("$target", ({ target, want }) => {
    expect(parseStreamRequest(Buffer.from(`STREAM ${target} HTTP/1.1\r\n\r\n`))).toMatchObject(want);
  });

  test("a head without marker, without headers, of another kind, empty", () => {
    expect(parseStreamRequest(Buffer.from(`STREAM ${ok}`))).toMatchObject({ problem: null, program: "", version: "" });
    expect(parseStreamRequest(Buffer.from("GET / HTTP/1.1\r\n\r\n")).problem).toBe("malformed");
    expect(parseStreamRequest(Buffer.alloc(0)).problem).toBe("malformed");
  });

  test("system parameters are bounded in number and length, foreign ones are not kept", () => {
    const many = Array.from({ length: 200 }, (_, i) => `NETDATA_X_${i}=${"v".repeat(500)}`).join("&");
    const { systemInfo } = parseStreamRequest(Buffer.from(`STREAM ${ok}&evil=1&${many} HTTP/1.1\r\n\r\n`));
    expect(systemInfo.size).toBe(64);
    expect(systemInfo.get("NETDATA_X_0")).toBe("v".repeat(200));
    expect(systemInfo.has("evil")).toBe(false);
  });
});

describe("buildStreamRequest", () => {
  test("is one head in plain ASCII that reads back as what was said", () => {
    const systemInfo = new Map([
      ["NETDATA_SYSTEM_OS_NAME", "Debian GNU/Linux"],
      ["NETDATA_SYSTEM_OS_ID", "debian"],
      ["NETDATA_SYSTEM_OS_VERSION", "12 (bookworm)"],
      ["NETDATA_SYSTEM_KERNEL_NAME", "Linux"],
      ["NETDATA_SYSTEM_KERNEL_VERSION", "6.1"],
      ["NETDATA_SYSTEM_TOTAL_RAM", "25325268992"],
    ]);
    const said = {
      ...fields,
      hostname: "mün chen",
      registryHostname: "reg",
      tags: "env=prod dc:1",
      systemInfo,
      hops: 2,
    };
    const head = buildStreamRequest(said);
    expect(head.toString("latin1")).toMatch(/^STREAM [\x21-\x7e]+ HTTP\/1\.1\r\nUser-Agent: tributary\/0\.1\.0\r\n/);
    expect(head.toString("latin1")).toEndWith("\r\nAccept: */*\r\n\r\n");
    expect(parseStreamRequest(head)).toEqual({ ...said, problem: null });
    const offering = { ...said, ver: 704, isTributary: true };
    expect(parseStreamRequest(buildStreamRequest(offering))).toEqual({ ...offering, problem: null });
  });

  test("what would split a target even when encoded becomes _", () => {
    const head = buildStreamRequest({
      ...fields,
      hostname: "a&b=c?d%e\r\nf",
      registryHostname: "",
      os: "x&y",
      tags: "k=v&w",
    });
    const request = parseStreamRequest(head);
    expect(request).toMatchObject({ hostname: "a_b_c_d_e__f", os: "x_y", tags: "k=v_w" });
    expect(head.toString()).not.toContain("?");
  });

  test("the five system parameters are never missing or empty", () => {
    for (const systemInfo of [new Map<string, string>(), new Map(NEEDED.map((name) => [name, ""]))]) {
      const info = parseStreamRequest(buildStreamRequest({ ...fields, systemInfo })).systemInfo;
      expect(NEEDED.map((name) => info.get(name))).toEqual(Array<string>(5).fill("unknown"));
    }
  });

  test("no version is offered, in no form, where none is to be", () => {
    const systemInfo = new Map([["NETDATA_PROTOCOL_VERSION", "1.1"]]);
    const text = buildStreamRequest({ ...fields, systemInfo }).toString();
    expect(text).not.toContain("ver=");
    expect(text).not.toContain("NETDATA_PROTOCOL_VERSION");
  });

  test("stays under 2 KiB whatever it is given; identity is never cut away", () => {
    const long = "ü".repeat(5000);
    const systemInfo = new Map(NEEDED.map((name) => [name, long]));
    for (let i = 0; i < 500; i++) systemInfo.set(`NETDATA_MORE_${i}`, long);
    const head = buildStreamRequest({
      ...fields,
      hostname: long,
      registryHostname: "r".repeat(5000),
      os: long,
      tags: long,
      timezone: long,
      abbrevTimezone: long,
      systemInfo,
      program: long,
      version: long,
    });
    expect(head.length).toBeLessThanOrEqual(REQUEST_BYTES_MAX);
    const request = parseStreamRequest(head);
    expect(request).toMatchObject({ key: KEY, machineGuid: GUID, hostname: "ü".repeat(100), problem: null });
    for (const name of NEEDED) expect(request.systemInfo.get(name)).toMatch(/^ü+$/);
  });

  test("nothing at all is sent as unknown", () => {
    const empty = {
      hostname: "",
      os: "",
      registryHostname: "",
      timezone: "",
      abbrevTimezone: "",
      program: "",
      version: "",
    };
    expect(parseStreamRequest(buildStreamRequest({ ...fields, ...empty }))).toMatchObject({
      hostname: "unknown",
      os: "unknown",
      timezone: "unknown",
      abbrevTimezone: "UTC",
      program: "unknown",
      version: "unknown",
    });
  });
});

describe("readAnswer", () => {
  const rejected = (rejection: Rejection) => ({ kind: "rejected", rejection }) as const;
  const accepted = (version: number, length: number) => ({ kind: "accepted", version, length }) as const;
  const cases: { text: string; want: ReturnType<typeof readAnswer> }[] = [
    { text: "", want: { kind: "incomplete" } },
    { text: "Hit me baby, push them over", want: { kind: "incomplete" } },
    { text: PROMPT_V1, want: accepted(1, 30) },
    { text: `${PROMPT_V1}\n`, want: accepted(1, 30) },
    { text: PROMPT_V2, want: accepted(2, PROMPT_V2.length) },
    { text: PROMPT_VN, want: { kind: "incomplete" } },
    { text: `${PROMPT_VN}5`, want: { kind: "version_open", version: 5 } },
    { text: `${PROMPT_VN}704`, want: { kind: "version_open", version: 704 } },
    { text: `${PROMPT_VN}704\r\n`, want: accepted(704, PROMPT_VN.length + 3) },
    { text: `${PROMPT_VN}x`, want: rejected("not_understood") },
    { text: `${PROMPT_VN}12345678901`, want: rejected("not_understood") },
    { text: "HTTP/1.1 400 Bad Request\r\n", want: rejected("not_understood") },
    { text: "\n", want: rejected("not_understood") },
    { text: "You are not permitted to access this. Check the logs for more info.", want: rejected("not_permitted") },
    { text: "Don't hit me baby, you are trying to stream my localhost back", want: rejected("own_guid") },
    { text: "This GUID is already streaming to this server", want: rejected("already_streaming") },
    { text: "The server is too busy now to accept this request. Try later.", want: rejected("busy") },
    { text: "The server encountered an internal error. Try later.", want: rejected("internal") },
    { text: "The server is initializing. Try later.", want: rejected("initializing") },
    { text: "The server is initializing. Try later.\n", want: rejected("initializing") },
  ];
  test.each(cases)("$text", ({ text, want }) => {
    expect(readAnswer(Buffer.from(text))).toEqual(want);
  });

  test("every prefix of every known text is incomplete", () => {
    for (const { wire } of Object.values(REFUSALS)) {
      for (let n = 0; n < wire.length; n++) expect(readAnswer(Buffer.from(wire.slice(0, n))).kind).toBe("incomplete");
    }
  });

  test("each refusal of ours is one our child knows, with the texts of netdata", () => {
    const want: Record<string, Rejection> = {
      own_guid: "own_guid",
      duplicate: "already_streaming",
      busy: "busy",
      too_many_hosts: "busy",
    };
    for (const [refusal, { wire }] of Object.entries(REFUSALS)) {
      const rejection =
        want[refusal] ?? (refusal === "internal" || refusal === "initializing" ? refusal : "not_permitted");
      expect(readAnswer(Buffer.from(wire))).toEqual(rejected(rejection));
    }
  });
});
