import type { HostView } from "./compare.ts";
import type { StreamText } from "./stream-text.ts";

const SAMPLE = /^(\w+)\{chart="([^"]*)",family="(?:[^"\\]|\\.)*"(?:,dimension="([^"]*)")?\} (-?\d+) (\d+)$/;

/** Collected values as the agent shows them: chart id → dimension id, or the metric's name where it stands in that. */
type Collected = Map<string, Map<string, bigint>>;

async function readCollected(view: HostView): Promise<Collected> {
  const text = await view.text("allmetrics?format=prometheus&source=as-collected&names=no");
  const collected: Collected = new Map();
  for (const line of text.split("\n")) {
    const match = SAMPLE.exec(line);
    if (match === null) continue;
    const [, name = "", chart = "", dimension, value = ""] = match;
    const values = collected.get(chart) ?? new Map<string, bigint>();
    collected.set(chart, values.set(dimension ?? name, BigInt(value)));
  }
  return collected;
}

/**
 * Compares the last collected value of every dimension of an ended stream with what our agent shows.
 * @returns how many were compared, and what differs.
 */
export async function compareCollected(
  stream: StreamText,
  view: HostView,
): Promise<{ count: number; problems: string[] }> {
  const collected = await readCollected(view);
  const problems: string[] = [];
  let count = 0;
  for (const [chart, { last }] of stream.charts) {
    const shown = collected.get(chart) ?? new Map<string, bigint>();
    for (const [dimension, value] of last) {
      count++;
      const found = shown.get(dimension) ?? shownByName(shown, dimension);
      if (found !== value) problems.push(`${chart}.${dimension}: sent ${value}, shown ${found}`);
    }
  }
  return { count, problems };
}

/** Dimensions of a chart that are not alike have metrics of their own: `…_DIMENSION` or `…_DIMENSION_total`. */
function shownByName(shown: ReadonlyMap<string, bigint>, dimension: string): bigint | undefined {
  const part = `_${dimension.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
  for (const [name, value] of shown) if (name.endsWith(part) || name.endsWith(`${part}_total`)) return value;
  return undefined;
}
