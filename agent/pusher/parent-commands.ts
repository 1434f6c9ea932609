import type { Clock } from "../base/clock.ts";
import { type CommandHandler, CommandReader } from "../wire/commands.ts";
import { type FetchReport, readEndReport } from "./end-confirmation.ts";
import type { LinkOutput } from "./link-output.ts";

/** What the parent of one connection says after its prompt. */
export class ParentCommands implements CommandHandler {
  /** It has said that it is an agent of our kind. */
  isOurs = false;
  /** Our clock less its, in seconds, as far as it told; NaN = unknown. */
  clockOffsetSec = Number.NaN;
  private readonly output: LinkOutput;
  private readonly clock: Clock;
  private readonly reader = new CommandReader(this);

  constructor(output: LinkOutput, clock: Clock) {
    this.output = output;
    this.clock = clock;
  }

  /** @param chunk borrowed. */
  feed(chunk: Buffer): void {
    this.reader.feed(chunk);
  }

  replayRequested(chartId: string, startsStreaming: boolean, afterSec: number, beforeSec: number): void {
    this.output.replication?.ask(chartId, startsStreaming, afterSec, beforeSec);
  }

  /** Of our kind: `1 GUID HOSTNAME`, and once a second `STORED BYTES NOW_US MISSING_FROM_SEC FETCH_SEC [END]`. */
  extension([word, bytes, nowUs, missingFromSec, fetchSec, ...end]: readonly string[]): void {
    if (word === "1") {
      this.isOurs = true;
      this.output.expectAcknowledgements();
    } else if (word === "STORED") {
      if (Number(nowUs) > 0) this.clockOffsetSec = (this.clock.nowUs() - Number(nowUs)) / 1e6;
      const fetched: FetchReport = {
        missingFromSec: Number(missingFromSec) || 0,
        fetchSec: Math.max(0, Number(fetchSec) || 0),
      };
      this.output.acknowledge(Number(bytes) || 0, fetched, readEndReport(end, fetched.fetchSec));
    }
  }

  unknown(): void {
    // Later generations ask for functions and the like, which nobody here has.
  }
}
