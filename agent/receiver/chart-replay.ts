import type { Chart } from "../rrd/chart.ts";

/** One request, ready for the wire. */
export interface ReplayRequest {
  readonly chart: Chart;
  /** Live values follow the answer. */
  readonly startsStreaming: boolean;
  /** The points in (after, before]; both 0 = none. */
  readonly afterSec: number;
  readonly beforeSec: number;
}

/** A chart as its child offered it on this connection. */
export class ChartReplay {
  readonly chart: Chart;
  /** What the child holds. */
  lastSec = 0;
  /** It was not defined on this connection before. */
  isFirst = true;
  /** It streams: what is asked for now is older. */
  isLive = false;
  /** Points in (after, before] are to be asked for; none when they are equal. */
  afterSec = 0;
  beforeSec = 0;
  asked: ReplayRequest | null = null;
  /** It has not been waited for so long that others may be asked in its place. */
  isCounted = false;
  /** Since it was asked the child got points after this second, which the answer may have passed already. */
  regrownSec = Number.POSITIVE_INFINITY;
  /** It waits for its turn to be asked. */
  isQueued = false;
  askedValues = 0;
  /** When it was asked, as {@link ReplayPace} knows it. */
  askedMs = 0;
  /** It was asked while it did not stream. */
  isStarting = false;
  /** What it held when it was asked to stream: answers that go back further correct it. */
  heldSec = 0;

  constructor(chart: Chart) {
    this.chart = chart;
  }
}
