import type { Clock } from "../base/clock.ts";
import { cutText } from "../base/cut-text.ts";
import type { Host } from "../rrd/host.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import { hopValues, type PathHop } from "../rrd/path.ts";
import { type HopLine, HopReader, naturalOf } from "../wire/hop-lines.ts";

/** Longest GUID and hostname kept of another agent. */
const TEXT_LENGTH_MAX = 200;

/** What was read of one connection so far, as its sender counts what it writes (agent/wire/README.md). */
export interface ReadRows {
  readonly rows: number;
  readonly values: number;
}

/** What a child of our kind tells of its stream: how much it has written, and how its values came to it. */
export class SenderReports {
  private readonly host: Host;
  private readonly address: string;
  private readonly clock: Clock;
  private readonly mismatches: Mismatches;
  private readonly hops = new HopReader();
  /** What was written less what was read, as it was told last. */
  private rowsOff = 0;
  private valuesOff = 0;

  constructor(host: Host, address: string, clock: Clock, mismatches: Mismatches) {
    this.host = host;
    this.address = address;
    this.clock = clock;
    this.mismatches = mismatches;
  }

  /**
   * @param words behind `TRIBUTARY`; those of other lines are passed over.
   * @param read up to this line; null = that is not known.
   */
  take(words: readonly string[], read: ReadRows | null): void {
    if (words[0] === "WRITTEN" && read !== null) this.compare(naturalOf(words[1]), naturalOf(words[2]), read);
    else if (words[0] === "HOP") this.keep(this.hops.read(words));
  }

  private compare(rows: number, values: number, read: ReadRows): void {
    if (Number.isNaN(rows + values)) return;
    const rowsOff = rows - read.rows;
    const valuesOff = values - read.values;
    // What is known to be off stays off: it is told once.
    if (rowsOff === this.rowsOff && valuesOff === this.valuesOff) return;
    this.rowsOff = rowsOff;
    this.valuesOff = valuesOff;
    const wrote = `the sender wrote ${values} values in ${rows} rows on this connection`;
    const problem = `${wrote}, ${read.values} in ${read.rows} were read here`;
    this.mismatches.add("stream", this.host, problem, this.address);
  }

  private keep(hops: readonly HopLine[] | null): void {
    if (hops === null) return;
    const told = hops.map((hop) => this.hopOf(hop)).filter((hop) => hop !== null);
    if (told.length < hops.length) return;
    const { hops: known, version } = this.host.path;
    // A proxy that has just been started has not been told of those below yet; what they said last is not forgotten.
    const isBeginning = told.every(({ machineGuid }, place) => machineGuid === known[place]?.machineGuid);
    const below = isBeginning ? known.slice(told.length) : [];
    this.host.path = { hops: [...told, ...below], version: version + 1 };
  }

  private hopOf({ machineGuid, hostname, ageSec, completeToSec, amounts }: HopLine): PathHop | null {
    const values = hopValues(amounts);
    if (values === null) return null;
    return {
      machineGuid: cutText(machineGuid, TEXT_LENGTH_MAX),
      hostname: cutText(hostname, TEXT_LENGTH_MAX),
      values,
      completeToSec,
      toldUs: this.clock.nowUs() - ageSec * 1e6,
    };
  }
}
