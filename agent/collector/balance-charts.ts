import { type AgentChart, agentSpec, counters, gauges } from "./agent-chart-list.ts";
import type { AgentReadings, LinkCounters, StreamCounters } from "./agent-sources.ts";

const ACCOUNT = ["collected", "received", "fetched", "stored", "base", "merged", "unkept", "dropped"];
const STREAM = ["offered", "delivered", "lost", "recovered"];
const WAITING = ["in_flight", "queued", "backlog"];

/** The balance of the whole agent (README, "The balance"): one chart of each kind, however many hosts there are. */
export const BALANCE_CHARTS: readonly AgentChart<AgentReadings>[] = [
  {
    spec: agentSpec(
      "tributary.db_account",
      "Values In And What Became Of Them",
      "values/s",
      "agent",
      "line",
      130_153,
      counters(...ACCOUNT),
    ),
    read: ({ balance: { account } }) => [
      account.collected,
      account.received,
      account.backfilled,
      account.stored,
      account.base,
      account.merged,
      account.unkept,
      account.dropped,
    ],
  },
  {
    spec: agentSpec(
      "tributary.hosts_incomplete",
      "Hosts Of Which Something Is Being Fetched",
      "hosts",
      "agent",
      "line",
      130_154,
      gauges("incomplete"),
    ),
    read: ({ balance }) => [balance.hostsIncomplete],
  },
  {
    // Totals, not a rate: there is to be none ever, and one must not vanish in an average.
    spec: agentSpec(
      "tributary.mismatches",
      "Times That Accounts Did Not Add Up",
      "mismatches",
      "agent",
      "line",
      130_155,
      gauges("database", "link", "stream"),
    ),
    read: ({ balance: { mismatches } }) => [mismatches.database, mismatches.link, mismatches.stream],
  },
  {
    spec: agentSpec(
      "tributary.stream_values",
      "Values Of All Outgoing Streams",
      "values/s",
      "streaming",
      "line",
      130_313,
      counters(...STREAM),
    ),
    read: ({ streams }) => streams && streamValues(streams),
  },
  {
    spec: agentSpec(
      "tributary.stream_waiting",
      "Values That Are On Their Way",
      "values",
      "streaming",
      "stacked",
      130_314,
      gauges(...WAITING),
    ),
    read: ({ streams }) => streams && streamWaiting(streams),
  },
];

/** Contexts of the charts of one link. */
export const LINK_VALUES = "tributary.link_values";
const LINK_WAITING = "tributary.link_waiting";

/** The same of one outgoing stream. */
export function linkCharts({ machineGuid, hostname }: LinkCounters): readonly AgentChart<LinkCounters>[] {
  const own = `tributary.link_${machineGuid}`;
  const family = `stream ${hostname}`;
  const [values, waiting] = ["Values Of One Outgoing Stream", "Values Of One Stream That Are On Their Way"] as const;
  return [
    {
      spec: agentSpec(`${own}_values`, values, "values/s", family, "line", 130_320, counters(...STREAM), LINK_VALUES),
      read: streamValues,
    },
    {
      spec: agentSpec(
        `${own}_waiting`,
        waiting,
        "values",
        family,
        "stacked",
        130_321,
        gauges(...WAITING),
        LINK_WAITING,
      ),
      read: streamWaiting,
    },
  ];
}

function streamValues({ offered, delivered, lost, recovered }: StreamCounters): number[] {
  return [offered, delivered, lost, recovered];
}

function streamWaiting({ inFlight, queued, backlog }: StreamCounters): number[] {
  return [inFlight, queued, backlog];
}
