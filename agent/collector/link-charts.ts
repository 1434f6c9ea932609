import type { AgentChart } from "./agent-chart-list.ts";
import type { LinkCounters } from "./agent-sources.ts";
import { LINK_VALUES, linkCharts } from "./balance-charts.ts";
import type { CollectorContext } from "./collector.ts";
import { OwnChart } from "./own-chart.ts";

/**
 * Links that have charts of their own unless the configuration wants all or none (`charts."tributary.link_values"`).
 * A link costs seven values a second and, with an hour of ring, 126 KB here and at every parent: a proxy of 500
 * children would collect 3,500 values a second about itself. Beyond this the sums remain, and `/api/v1/agent`.
 */
const LINKS_MAX = 10;

/** Charts of single outgoing streams, of those that were made first. One stream alone is its own sum: it has none. */
export class LinkCharts {
  private readonly context: CollectorContext;
  private readonly linksMax: number;
  private readonly byGuid = new Map<string, { hostname: string; charts: readonly OwnChart<LinkCounters>[] }>();

  constructor(context: CollectorContext) {
    const choice = context.settings.charts[LINK_VALUES];
    this.context = context;
    this.linksMax = choice === true ? Number.POSITIVE_INFINITY : choice === false ? 0 : LINKS_MAX;
  }

  /** Links that are to be given to {@link collect}, the first ones; further ones are not looked at. */
  get wanted(): number {
    return this.linksMax;
  }

  /** @param links in the order in which they were made. */
  collect(links: readonly LinkCounters[], nowUs: number): void {
    const seen = new Set<string>();
    for (const link of links) {
      seen.add(link.machineGuid);
      if (links.length > 1 || this.byGuid.has(link.machineGuid)) this.collectOne(link, nowUs);
    }
    for (const [guid, { charts }] of this.byGuid) {
      if (seen.has(guid)) continue;
      for (const chart of charts) chart.retire();
      this.byGuid.delete(guid);
    }
  }

  private collectOne(link: LinkCounters, nowUs: number): void {
    const { machineGuid, hostname } = link;
    let known = this.byGuid.get(machineGuid);
    if (known?.hostname !== hostname) {
      known = { hostname, charts: linkCharts(link).map((chart) => this.make(chart)) };
      this.byGuid.set(machineGuid, known);
    }
    for (const chart of known.charts) chart.collect(link, nowUs);
  }

  private make(definition: AgentChart<LinkCounters>): OwnChart<LinkCounters> {
    return new OwnChart(this.context, definition, this.context.updateEverySec);
  }
}
