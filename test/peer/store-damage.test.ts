import { expect } from "bun:test";
import { cpSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CHART_RECORD_BYTES,
  FIXED_HEADER_BYTES,
  headerBytes,
  marksOffset,
  recordsOffset,
  ringSlots,
  TILE_SLOTS,
  tileChecksBytes,
  tileChecksOffset,
} from "../../agent/rrd/store/geometry.ts";
import { SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { Agent } from "./agent.ts";
import { knownCharts, readKnown } from "./known-child.ts";
import { type Lab, peerTest } from "./peer.ts";
import { storeKnown } from "./stored-state.ts";

const GUID = "aaaaaaaa-0000-0000-0000-0000000000a3";
const CASES = 33;
const AT_ONCE = 3;
const HISTORY = 400;
const SLOTS = ringSlots(HISTORY);
/** The first three fill the small segment, the others are in one of 256 columns. */
const CHARTS = knownCharts("known", 9, 20, 1);
/** The ring has gone round, so that there is something older to show by mistake. */
const SECONDS = 900;
const CONFIG = `[agent]\nhostname = "own"\n[db]\nmode = "map"\nhistory = ${HISTORY}\n[collector]\nenabled = false\n`;

const SEGMENTS = [
  { name: "seg-0.rrd", columns: 64 },
  { name: "seg-1.rrd", columns: 256 },
];
const VALUES = "values";
const PLACES = [
  "header",
  "state",
  "stamps",
  "marks",
  "records",
  "checks",
  VALUES,
  "flags",
  "catalogue",
  "cut",
  "cut catalogue",
];

/** What was done to which file. */
interface Damage {
  readonly place: string;
  readonly file: string;
  readonly at: number;
  readonly isBlockSealed: boolean;
}

/** Damages one file of a host. */
function damage(folder: string, place: string, random: SeededRandom): Damage {
  const { name, columns } = random.pick(SEGMENTS);
  const isCatalogue = place.endsWith("catalogue");
  const file = join(folder, isCatalogue ? "catalog.jsonl" : name);
  const bytes = readFileSync(file);
  if (place.startsWith("cut")) {
    const at = random.below(bytes.length);
    truncateSync(file, at);
    return { place, file, at, isBlockSealed: false };
  }
  const [from, to] = isCatalogue ? [0, bytes.length] : placeIn(place, columns);
  const at = from + random.below(to - from);
  bytes[at] = bytes[at]! ^ (1 << random.below(8));
  // What the disk does to a file it does to the same file.
  writeFileSync(file, bytes);
  const block = Math.floor((at - from) / (columns * TILE_SLOTS * 4));
  const isBlockSealed = place === VALUES && bytes.readDoubleLE(FIXED_HEADER_BYTES + 8 * block) < 0;
  return { place, file, at, isBlockSealed };
}

function placeIn(place: string, columns: number): [number, number] {
  const values = headerBytes({ columns, slots: SLOTS });
  const records = recordsOffset(SLOTS);
  const checks = tileChecksOffset({ columns, slots: SLOTS });
  const ends: Record<string, [number, number]> = {
    header: [0, 64],
    state: [64, FIXED_HEADER_BYTES],
    stamps: [FIXED_HEADER_BYTES, marksOffset(SLOTS)],
    marks: [marksOffset(SLOTS), records],
    records: [records, records + columns * CHART_RECORD_BYTES],
    checks: [checks, checks + (SLOTS / TILE_SLOTS) * tileChecksBytes(columns)],
    values: [values, values + columns * SLOTS * 4],
    flags: [values + columns * SLOTS * 4, values + columns * SLOTS * 5],
  };
  return ends[place]!;
}

/** Starts an agent on a damaged copy and looks at all it shows. */
async function lookAt(lab: Lab, template: string, seconds: [number, number], number: number): Promise<string> {
  const random = new SeededRandom(TEST_SEED + number);
  const folder = lab.newFolder("damaged");
  cpSync(template, join(folder, "state"), { recursive: true });
  const host = join(folder, "state/db", GUID);
  const { place, file, at, isBlockSealed } = damage(host, PLACES[number % PLACES.length]!, random);
  const what = `${place} at ${at} of ${file.slice(host.length + 1)}`;
  await using agent = await Agent.start(folder, { config: CONFIG });
  const known = await readKnown(agent, GUID, CHARTS, [], seconds);
  // One value of a block that is still open may be another; nothing else may be wrong, wherever the damage is.
  const mayBeWrong = place === VALUES && !isBlockSealed ? 1 : 0;
  const wrong = [...known.wrong, ...known.shifted.map(String)];
  expect({ what, wrong: wrong.slice(mayBeWrong) }).toEqual({ what, wrong: [] });
  const all = CHARTS.reduce((sum, { dimensions }) => sum + dimensions, 0) * (seconds[1] - seconds[0] + 1);
  const log = agent.log();
  const aside = log.split("\n").filter((line) => line.includes(" rrd.file_set_aside "));
  const asideNames = readdirSync(host).filter((name) => name.includes(".bad-"));
  expect({ what, names: asideNames.length }).toEqual({ what, names: aside.length });
  for (const line of aside) expect(line).toMatch(/ error .* path=\S+ .*problem=/);
  if (place === "header" || place === "cut") {
    expect({ what, aside }).toEqual({ what, aside: [expect.stringContaining(`path=${file} `)] });
  } else if (place.endsWith("catalogue")) {
    // Its charts may be lost with their lines, and then nothing says what is in their segments.
    expect({ what, log }).toEqual({ what, log: expect.stringContaining(`path=${host}/`) });
  } else expect({ what, aside }).toEqual({ what, aside: [] });
  if (["state", "marks"].includes(place)) expect(known.points).toBeGreaterThan(all * 0.4);
  // One dimension for the time of a block.
  if (["checks", VALUES, "flags"].includes(place)) {
    expect(known.points).toBeGreaterThanOrEqual(all - TILE_SLOTS);
  }
  expect(await agent.stop()).toBe(0);
  return `${what}: ${((100 * known.points) / all).toFixed(1)} % shown${aside.length > 0 ? ", set aside" : ""}`;
}

peerTest(
  `${CASES} cases of damage: the agent starts, sets aside what it cannot use, and shows nothing wrong`,
  {},
  async (lab) => {
    const template = lab.newFolder("template");
    const [firstSec, lastSec] = await storeKnown(template, {
      mode: "map",
      history: HISTORY,
      guid: GUID,
      hostname: "known",
      charts: CHARTS,
      seconds: SECONDS,
    });
    const seconds: [number, number] = [Math.max(firstSec, lastSec - HISTORY + 60), lastSec];
    const told: string[] = [];
    const rows = Array.from({ length: AT_ONCE }, async (_, row) => {
      for (let number = row; number < CASES; number += AT_ONCE) {
        told.push(await lookAt(lab, template, seconds, number));
      }
    });
    await Promise.all(rows);
    process.stdout.write(told.map((text) => `      ${text}\n`).join(""));
    expect(told).toHaveLength(CASES);
  },
);
