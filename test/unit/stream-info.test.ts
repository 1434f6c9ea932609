import { describe, expect, test } from "bun:test";
import { parseDestination } from "../../agent/base/destination.ts";
import { rankParents } from "../../agent/pusher/parent-ranking.ts";
import { isWholeAnswer, readStreamInfo, streamInfoRequest } from "../../agent/wire/stream-info.ts";
import { infoAnswer } from "./pusher-fixture.ts";

const GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";
const UNRANKED = { kind: "unranked" } as const;

describe("the question (streaming.md §1.6)", () => {
  test.each([
    { entry: "parent-1", host: "parent-1:19999" },
    { entry: "[2001:db8::1]:1", host: "[2001:db8::1]:1" },
    { entry: "unix:/run/t", host: "localhost" },
  ])("to $entry", ({ entry, host }) => {
    expect(streamInfoRequest(parseDestination(entry, 19_999), GUID, "tributary/1").toString().split("\r\n")).toEqual([
      `GET /api/v3/stream_info?machine_guid=${GUID} HTTP/1.1`,
      `Host: ${host}`,
      "User-Agent: tributary/1",
      "Accept: application/json",
      "Connection: close",
      "",
      "",
    ]);
  });
});

describe("the answer", () => {
  const known = { status: 200, ingest_type: "child", ingest_status: "online", last_time_s: 1_795_302_351 };
  const cases: { name: string; text: string; info: ReturnType<typeof readStreamInfo> }[] = [
    { name: "a host that is known", text: infoAnswer(known), info: { kind: "holds", lastSec: 1_795_302_351 } },
    {
      name: "known, and away",
      text: infoAnswer({ ...known, ingest_type: "archived", ingest_status: "offline" }),
      info: { kind: "holds", lastSec: 1_795_302_351 },
    },
    {
      name: "chunked",
      text: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n{"status":200,"last_time_s":123}\r\n0\r\n\r\n`,
      info: { kind: "holds", lastSec: 123 },
    },
    { name: "a host that is not known", text: infoAnswer({ status: 404 }), info: UNRANKED },
    { name: "known, without values", text: infoAnswer({ ...known, last_time_s: 0 }), info: UNRANKED },
    { name: "a time that is none", text: infoAnswer({ ...known, last_time_s: "now" }), info: UNRANKED },
    {
      name: "its own host",
      text: infoAnswer({ ...known, ingest_type: "localhost" }),
      info: { kind: "unwilling", why: "localhost" },
    },
    {
      name: "a host that it makes itself",
      text: infoAnswer({ ...known, ingest_type: "virtual" }),
      info: { kind: "unwilling", why: "virtual" },
    },
    {
      name: "a parent that starts",
      text: infoAnswer({ ...known, ingest_status: "initializing" }),
      info: { kind: "unwilling", why: "initializing" },
    },
    { name: "netdata 1.37", text: "HTTP/1.1 404 Not Found\r\n\r\nUnsupported API version: v3", info: UNRANKED },
    { name: "403", text: `HTTP/1.1 403 Forbidden\r\n\r\n${JSON.stringify(known)}`, info: UNRANKED },
    { name: "no HTTP", text: "SSH-2.0-OpenSSH_9.2\r\n", info: UNRANKED },
    { name: "cut in the body", text: infoAnswer(known).slice(0, -9), info: UNRANKED },
    { name: "a list", text: "HTTP/1.1 200 OK\r\n\r\n[1]", info: UNRANKED },
    { name: "an empty body", text: "HTTP/1.1 200 OK\r\n\r\n", info: UNRANKED },
    { name: "braces only", text: "HTTP/1.1 200 OK\r\n\r\n}{", info: UNRANKED },
    { name: "nothing", text: "", info: UNRANKED },
  ];
  test.each(cases)("$name", ({ text, info }) => expect(readStreamInfo(Buffer.from(text))).toEqual(info));

  test("is whole when its length says so, and only then", () => {
    const text = infoAnswer(known);
    const wholes = Array.from({ length: text.length + 1 }, (_, end) => isWholeAnswer(Buffer.from(text.slice(0, end))));
    expect(wholes.indexOf(true)).toBe(text.length);
    expect(isWholeAnswer(Buffer.from("HTTP/1.1 200 OK\r\n\r\n{}"))).toBe(false);
  });
});

describe("of several parents", () => {
  const holds = (lastSec: number) => ({ kind: "holds", lastSec }) as const;
  const none = { kind: "unreachable" } as const;
  const busy = { kind: "unwilling", why: "initializing" } as const;
  const order = (results: Parameters<typeof rankParents>[0]) => {
    const numbers = rankParents(results);
    return results.map((_, index) => index).sort((one, other) => numbers[one]! - numbers[other]!);
  };
  test.each([
    { name: "the newest values first", results: [holds(1000), holds(5000), holds(4000)], first: [1, 2, 0] },
    { name: "a few seconds make no difference", results: [holds(4991), holds(5000), holds(4989)], first: [0, 1, 2] },
    { name: "old values before none", results: [UNRANKED, holds(1), UNRANKED], first: [1, 0, 2] },
    { name: "the dead behind the living", results: [none, UNRANKED, none, holds(9)], first: [3, 1, 0, 2] },
    { name: "the unwilling last", results: [busy, none, UNRANKED], first: [2, 1, 0] },
    { name: "nobody answers", results: [none, none, none], first: [0, 1, 2] },
  ])("$name", ({ results, first }) => expect(order(results)).toEqual([...first]));
});
