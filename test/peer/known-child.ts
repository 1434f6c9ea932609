import type { Agent } from "./agent.ts";
import { HostView, readPoints } from "./compare.ts";
import { PROMPT, RawChild } from "./raw-child.ts";

/** A value tells its second in its low bits: longer than any ring of these tests, so an older lap cannot look right. */
const LAP_SEC = 4096;
/** Codes of dimensions; with {@link LAP_SEC} a value has 24 bits, which a stored value keeps exactly. */
const CODES = 4096;
/** Part of a second at which values are sent: whatever comes late on a busy machine still comes within its second. */
const PHASE_MS = 200;

/** Agents date values by their arrival: on a machine that hardly gets to it, they lie so many seconds beside theirs. */
const LATE_SEC_MAX = 5;

/** A chart whose values are known for every second. Dimension `dN` has the code of the chart + N. */
export interface KnownChart {
  readonly id: string;
  readonly dimensions: number;
  /** 1 … 4095, also for the last dimension. */
  readonly code: number;
}

/** Charts of consecutive codes. @param first code. */
export function knownCharts(type: string, count: number, dimensions: number, first: number): KnownChart[] {
  return Array.from({ length: count }, (_, index) => {
    const code = 1 + ((first - 1 + index * dimensions) % (CODES - 1 - dimensions));
    return { id: `${type}.c${first + index * dimensions}`, dimensions, code };
  });
}

/** Value of a dimension in a second, at the child and in every ring that has it. */
export function knownValue(code: number, second: number): number {
  return code * LAP_SEC + (second % LAP_SEC);
}

/** A child that sends a known value of every dimension in every second. Ends with its connection. */
export class KnownChild implements Disposable {
  /** Values are sent this long after their second began. */
  static readonly PHASE_SEC = PHASE_MS / 1000;
  readonly child: RawChild;
  /** Seconds whose values were sent, all charts; of its first second on a connection an agent keeps none. */
  readonly seconds: number[] = [];
  /** Called before each second's values are made: charts may be added. */
  beforeTick: () => void = () => {};
  private readonly charts: KnownChart[] = [];
  private readonly undefined: KnownChart[] = [];
  private timer: Timer | null = null;

  private constructor(child: RawChild, charts: readonly KnownChart[]) {
    this.child = child;
    this.add(charts);
  }

  /** Connects and begins to send in the next second. @throws Error when the agent refuses it. */
  static async connect(
    port: number,
    { key, guid, hostname }: { key: string; guid: string; hostname: string },
    charts: readonly KnownChart[],
  ): Promise<KnownChild> {
    const child = await RawChild.connect(port);
    const answer = await child.ask(`key=${key}&hostname=${hostname}&machine_guid=${guid}&update_every=1&os=linux`);
    if (answer !== PROMPT) throw new Error(`the child was refused: ${answer}`);
    const known = new KnownChild(child, charts);
    known.wait(Math.floor(Date.now() / 1000) + 1);
    return known;
  }

  /** From the next second on there are more charts. */
  add(charts: readonly KnownChart[]): void {
    this.undefined.push(...charts);
  }

  [Symbol.dispose](): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.child[Symbol.dispose]();
  }

  private wait(second: number): void {
    // Late is better than never: each second is sent once, in order.
    const delayMs = second * 1000 + PHASE_MS - Date.now();
    this.timer = setTimeout(() => this.tick(second), Math.max(0, delayMs));
  }

  private tick(second: number): void {
    if (this.child.isClosed) return;
    this.beforeTick();
    const texts = this.undefined.splice(0).map((chart) => {
      this.charts.push(chart);
      const lines = Array.from({ length: chart.dimensions }, (_, index) => `DIMENSION d${index} '' absolute 1 1\n`);
      return `CHART ${chart.id} '' 'known values' v known known line 1000 1\n${lines.join("")}`;
    });
    for (const { id, dimensions, code } of this.charts) {
      texts.push(`BEGIN ${id} ${this.seconds.length === 0 ? 0 : 1_000_000}\n`);
      for (let index = 0; index < dimensions; index++) {
        texts.push(`SET d${index} = ${knownValue(code + index, second)}\n`);
      }
      texts.push("END\n");
    }
    this.child.send(texts.join(""));
    this.seconds.push(second);
    this.wait(second + 1);
  }
}

/** What an agent shows of known charts. */
export interface KnownResult {
  readonly points: number;
  /** Seconds with a point of the first dimension of any of the charts, in order for each chart. */
  readonly seconds: number[];
  /** Points that are not what was sent for their second, as text … */
  readonly wrong: string[];
  /** … but for these seconds, which have values of seconds nearby: a busy machine had them late. */
  readonly shifted: number[];
  /** Points that must be there and are not, as text. */
  readonly missing: string[];
}

/**
 * Reads charts back and compares each point. @param seconds that must be there, of every chart.
 * @param window seconds that are read; the others may be there or not, but not be wrong.
 */
export async function readKnown(
  agent: Agent,
  guid: string,
  charts: readonly KnownChart[],
  seconds: readonly number[],
  [after, before]: readonly [number, number],
): Promise<KnownResult> {
  const view = new HostView(agent.port, guid);
  const result: Found = { points: 0, seconds: [], wrong: [], shifted: [], missing: [] };
  for (const { id, dimensions, code } of charts) {
    const points = await readPoints(view, id, after, before);
    for (let index = 0; index < dimensions; index++) {
      const values = points.get(`d${index}`) ?? new Map<number, number | null>();
      const isHeld = (second: number) => (values.get(second) ?? null) !== null;
      comparePoints(values, code + index, `${id}.d${index}`, result);
      if (index === 0) result.seconds.push(...[...values.keys()].filter(isHeld));
      for (const second of seconds) if (!isHeld(second)) result.missing.push(`${id}.d${index} at ${second}`);
    }
  }
  return result;
}

type Found = { -readonly [Key in keyof KnownResult]: KnownResult[Key] };

function comparePoints(values: ReadonlyMap<number, number | null>, code: number, name: string, found: Found): void {
  for (const [second, value] of values) {
    if (value === null) continue;
    found.points++;
    const sent = knownValue(code, second);
    if (value === sent) continue;
    if (Math.abs(value - sent) <= LATE_SEC_MAX) found.shifted.push(second);
    else found.wrong.push(`${name} at ${second}: ${value}, sent was ${sent}`);
  }
}
