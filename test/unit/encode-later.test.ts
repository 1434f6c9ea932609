import { describe, expect, test } from "bun:test";
import { agreedBy } from "../../agent/wire/capabilities.ts";
import { type ChartExtras, type ChartText, definitionLines, saysMore } from "../../agent/wire/encode.ts";
import { FINAL_END_LINE, finalBeginLine, finalSetHead, finalSetLine } from "../../agent/wire/encode-final.ts";
import { hostLabelLines, variableLine } from "../../agent/wire/encode-labels.ts";
import {
  chartStateLine,
  definitionEndLine,
  dimensionStateLine,
  extensionLine,
  replayBeginLine,
  replayEndLine,
  replayRowLine,
  replaySetHead,
  replaySetLine,
} from "../../agent/wire/encode-replay.ts";

const CHART: ChartText = {
  id: "test.c2",
  name: "test.c2",
  title: "T",
  units: "u",
  family: "f",
  context: "test.c2",
  chartType: "line",
  priority: 1000,
  updateEverySec: 1,
  plugin: "tiny.plugin",
  module: "mod",
  detail: true,
  hidden: false,
  storeFirst: false,
};
const DIMENSION = {
  id: "a",
  name: "a",
  algorithm: "incremental",
  multiplier: 1,
  divisor: 1,
  hidden: true,
  noReset: false,
  obsolete: true,
};
const EXTRAS: ChartExtras = {
  isObsolete: true,
  labels: [{ name: "dev", value: "eth 0", source: 1 }],
  variables: new Map([["nic_speed_max", 1000]]),
};

describe("definitions by what was agreed", () => {
  const head = 'CHART "test.c2" "" "T" "u" "f" "test.c2" "line" 1000 1';
  const tail = '"tiny.plugin" "mod"\n';
  const cases: { version: number; lines: string }[] = [
    { version: 1, lines: `${head} "detail" ${tail}DIMENSION "a" "a" "incremental" 1 1 "hidden"\n` },
    { version: 2, lines: `${head} "obsolete detail" ${tail}DIMENSION "a" "a" "incremental" 1 1 "obsolete hidden"\n` },
    {
      version: 704,
      lines:
        `${head} "obsolete detail" ${tail}CLABEL "_collect_plugin" "tiny.plugin" 1\nCLABEL "_collect_module" "mod" 1\n` +
        `CLABEL "dev" "eth 0" 1\nCLABEL_COMMIT\n` +
        'DIMENSION "a" "a" "incremental" 1 1 "obsolete hidden"\nVARIABLE CHART nic_speed_max = 1000.0000000\n',
    },
  ];
  test.each(cases)("$version", ({ version, lines }) => {
    expect(definitionLines(CHART, [DIMENSION], EXTRAS, agreedBy(version, 704)!)).toBe(lines);
  });

  const nothing: ChartExtras = { isObsolete: false, labels: [], variables: null };
  const extras = [
    nothing,
    { ...nothing, isObsolete: true },
    { ...nothing, labels: EXTRAS.labels },
    { ...nothing, variables: EXTRAS.variables },
    { ...nothing, variables: new Map<string, number>() },
  ];
  test.each([1, 2, 4, 64, 704])("%d: whether that is more than V1 is known without writing it", (version) => {
    const agreed = agreedBy(version, 704)!;
    for (const each of extras) {
      for (const dimensions of [[], [{ ...DIMENSION, obsolete: false }], [DIMENSION]]) {
        const isMore =
          definitionLines(CHART, dimensions, each, agreed) !==
          definitionLines(CHART, dimensions, each, agreedBy(1, 0)!);
        expect(saysMore(dimensions, each, agreed)).toBe(isMore);
      }
    }
  });
});

test("labels of a host, as a 1.37.1 child writes them", () => {
  const labels = [
    { name: "_os_name", value: 'My "OS"\n', source: 1 },
    { name: "room", value: "server room", source: 2 },
  ];
  expect(hostLabelLines(labels)).toBe(
    'LABEL "_os_name" = 1 "My _OS_ "\nLABEL "room" = 2 "server room"\nOVERWRITE labels\n',
  );
  const long = { name: "n".repeat(3000), value: "ü".repeat(3000), source: 15 };
  expect(
    Math.max(
      ...hostLabelLines([long])
        .split("\n")
        .map((line) => Buffer.byteLength(line)),
    ),
  ).toBeLessThan(1000);
});

test("variables", () => {
  expect(variableLine("HOST", "active_processors", 2)).toBe("VARIABLE HOST active_processors = 2.0000000\n");
  expect(variableLine("CHART", "a b", 0.123456789)).toBe('VARIABLE CHART "a b" = 0.123456789\n');
  expect(variableLine("CHART", "x", 1e22)).toBe("VARIABLE CHART x = 10000000000000000000000.0000000\n");
});

test("an answer to REPLAY_CHART, as a 1.37.1 child writes it", () => {
  const state = {
    collectedUs: 1_795_301_439_448_155,
    collected: 2 ** 53,
    rest: 1,
    calculated: 1.5,
    stored: Number.NaN,
    collections: 2,
    isWide: true,
  };
  const up = replaySetHead("up");
  const text =
    definitionEndLine(1_795_301_424, 1_795_301_438, 1_795_301_439) +
    replayBeginLine("net_operstate.ifb0") +
    replayRowLine(1_795_301_433, 1_795_301_434, 1_795_301_439) +
    replaySetLine(up, 1, false) +
    replaySetLine(up, 0.5, true) +
    replaySetLine(up, Number.NaN, false) +
    dimensionStateLine("up", state, false) +
    dimensionStateLine("up", state, true) +
    chartStateLine(1_795_301_439_448_157, 1_795_301_439_000_000) +
    replayEndLine({
      updateEverySec: 1,
      firstSec: 2,
      lastSec: 3,
      isStreaming: true,
      afterSec: 4,
      beforeSec: 5,
      senderNowSec: 6,
    }) +
    extensionLine(["1", "a guid", "h"]);
  expect(text.split("\n")).toEqual([
    "CHART_DEFINITION_END 1795301424 1795301438 1795301439",
    'RBEGIN "net_operstate.ifb0"',
    "RBEGIN '' 1795301433 1795301434 1795301439",
    'RSET "up" 1 ""',
    'RSET "up" 0.5 "R"',
    'RSET "up" NAN "E"',
    'RDSTATE "up" 1795301439448155 9007199254740993 1.5 0',
    'RDSTATE "up" 1795301439448155 9007199254740993 1.5 0 2 1',
    "RSSTATE 1795301439448157 1795301439000000",
    "REND 1 2 3 true 4 5 6",
    'TRIBUTARY "1" "a guid" "h"',
    "",
  ]);
});

test("a final point, as a 2.9.0 child writes it", () => {
  const head = finalSetHead("received");
  const text =
    finalBeginLine("net.eth0", 1, 0x6b02243d, 0x6b02243d) +
    finalSetLine(head, 0x35b5ae84, 0, 0.25, false) +
    finalSetLine(head, -1, 0, -1, true) +
    finalSetLine(head, 0, 0, -0, false) +
    finalSetLine(head, 2 ** 53, 1, 2 ** 53, false) +
    FINAL_END_LINE +
    finalBeginLine("net.eth0", 10, 16, 17);
  expect(text.split("\n")).toEqual([
    'BEGIN2 "net.eth0" 0x1 0x6B02243D #',
    'SET2 "received" 0x35B5AE84 0.25 A',
    'SET2 "received" -0x1 # R',
    'SET2 "received" 0x0 -0 A',
    'SET2 "received" 0x20000000000001 9007199254740992 A',
    "END2",
    'BEGIN2 "net.eth0" 0xA 0x10 0x11',
    "",
  ]);
});
