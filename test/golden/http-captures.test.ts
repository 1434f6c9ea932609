import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { parentAt } from "../http-synth.ts";
import { jsonDifference } from "../json-difference.ts";

interface Capture {
  request: { method: string; path: string; headers: Record<string, string> };
  status_line: string;
  headers: [string, string][];
  body_json?: unknown;
  body_text?: string;
}

const DIRECTORY = join(import.meta.dir, "../fixtures/captures/api");

/** Captures that are answered otherwise, with the reason; what we answer instead is held by other tests. */
const NOT_ALIKE: Record<string, string> = {
  "03-charts-parent": "the recorded parent's own charts; shape is held by 02",
  "33-err-no-database": "another agent's identity; the fields are held by 01",
  "35-err-method-head": "HEAD is answered as GET without a body (http-api.md §2)",
  "37-origin-keepalive": "the recorded agent has alarms; the header is held in http.test.ts",
  "38-gzip": "the body was not recorded; held in http.test.ts",
  "39-alarms-active": "the recorded agent has alarms",
  "40-alarms-all": "the recorded agent has alarms",
  "44-badge": "badges are not in this version",
  "45-badge-custom": "badges are not in this version",
  "46-badge-notfound": "badges are not in this version",
  "47-badge-missing": "badges are not in this version",
  "48-badge-alarm": "badges are not in this version",
  "49-allmetrics-json": "format not in this version: 400 names those that are",
  "50-allmetrics-shell": "format not in this version: 400 names those that are",
  "52-allmetrics-prometheus-opts": "defects of the recorded agent (exporters.md §3.5): held in http-allmetrics.test.ts",
  "53-allmetrics-prometheus_all_hosts": "cut, with the recorded parent's own charts: held in http-allmetrics.test.ts",
  "54-allmetrics-badformat": "the text names the formats that exist here",
  "55-alarm_count": "the recorded agent has alarms",
  "56-alarm_log": "the recorded agent has alarms",
  "57-netdata.conf": "not in this version: no client reads it",
  "58-file-notfound": "the recorded agent tells its directory",
  "60-file-dotdot": "a Request normalises dots away; held in http.test.ts with an escaped slash",
  "63-alarms_values": "the recorded agent has alarms",
  "64-contexts": "not in this version: no client of http-api.md §11 asks for it",
  "65-context": "not in this version: no client of http-api.md §11 asks for it",
};

/** Chart lists are never kept by clients here (http-api.md §2). */
const CACHE = ["cache-control", "expires", "pragma"];

/** Headers that differ on purpose. */
const HEADERS_IGNORED: Record<string, string[]> = {
  "02-charts-child": CACHE,
  "04-chart": CACHE,
  "67-host-by-guid": CACHE,
  "66-alarm_variables": CACHE,
  "36-options": ["access-control-allow-headers"],
  // A relative one cannot be wrong behind a proxy.
  "61-host-redirect": ["location"],
};

/** `enabled` is v1.6's; `duration` is what is held now; our names of what we are. */
const CHART = ["/duration", "/enabled"];
const BODY_IGNORED: Record<string, string[]> = {
  "01-info": [
    "/version",
    "/buildinfo",
    "/alarms/*",
    "/collectors",
    "/host_labels",
    "/https-enabled",
    "/notification-methods",
    "/exporting-connectors",
    "/charts-count",
    "/metrics-count",
    // Of the recorded machine, or of its store.
    ...["cores_total", "total_disk_space", "cpu_freq", "ram_total", "kernel_name", "kernel_version"].map(
      (key) => `/${key}`,
    ),
    ...["container_os_name", "container_os_version", "container_os_version_id", "container_os_id"].map(
      (key) => `/${key}`,
    ),
    ...["container_os_detection", "architecture", "virtualization", "virt_detection"].map((key) => `/${key}`),
    ...["container", "container_detection", "multidb-disk-quota", "page-cache-size"].map((key) => `/${key}`),
  ],
  "02-charts-child": ["/rrd_memory_bytes", ...CHART.map((path) => `/charts/*${path}`)],
  "04-chart": CHART,
  "67-host-by-guid": CHART,
  // The recorded `id` and `name` are a query of theirs.
  "07-data-jsonwrap": ["/id", "/name"],
  "12-data-ssvcomma-jsonwrap": ["/id", "/name"],
  // Never a third party's server.
  "41-registry-hello": ["/registry", "/cloud_base_url", "/anonymous_statistics"],
  "43-registry-access-disabled": ["/registry"],
};

/** Texts that differ on purpose: what we answer. */
const TEXTS: Record<string, (recorded: string) => string> = {
  // Dates are quoted: without that it is no JSON.
  "19-data-csvjsonarray": (text) => text.replace(/\[(\d{4}-[^,]*),/g, '["$1",'),
  "61-host-redirect": () => "Permanent redirect",
};

const HEADERS = [
  "content-type",
  "cache-control",
  "pragma",
  "expires",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-max-age",
  "content-disposition",
  "location",
];

beforeAll(() => {
  process.env["TZ"] = "UTC";
});

const names = readdirSync(DIRECTORY).map((file) => file.replace(/\.json$/, ""));

describe("recorded requests", () => {
  for (const name of names.filter((each) => !(each in NOT_ALIKE)).sort()) {
    test(name, async () => {
      const capture = (await Bun.file(join(DIRECTORY, `${name}.json`)).json()) as Capture;
      const recorded = new Headers(capture.headers);
      // The recorded scrape says its own ms.
      const nowSec = Date.parse(recorded.get("date")!) / 1000 + 0.828;
      const api = newApi(parentAt(Math.floor(nowSec)), new FixedClock(nowSec));
      const { method, path, headers } = capture.request;
      const response = ask(api, path, { method, headers });
      expect(response.status).toBe(Number(capture.status_line.split(" ")[1]));
      for (const header of HEADERS) {
        if (HEADERS_IGNORED[name]?.includes(header)) continue;
        expect(`${header}: ${response.headers.get(header)}`).toBe(`${header}: ${recorded.get(header)}`);
      }
      compareBodies(name, await response.text(), capture);
    });
  }

  test("every exception names a capture", () => {
    const named = [NOT_ALIKE, HEADERS_IGNORED, BODY_IGNORED, TEXTS].flatMap((table) => Object.keys(table));
    expect(named.filter((name) => !names.includes(name))).toEqual([]);
  });
});

function compareBodies(name: string, got: string, capture: Capture): void {
  const text = TEXTS[name]?.(capture.body_text ?? "") ?? capture.body_text;
  const json = capture.body_json ?? parse(text ?? "");
  if (json !== undefined) expect(jsonDifference(parse(got), json, BODY_IGNORED[name])).toEqual([]);
  else expect(got).toBe(text!);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
