import * as v from "valibot";
import { AgentError, errorCode, errorText } from "../base/errors.ts";

const REQUEST_TIMEOUT_MS = 5000;

const Dropped = v.record(v.string(), v.number());

const LinkAccountReport = v.object({
  offered: v.number(),
  delivered: v.number(),
  acknowledged: v.number(),
  in_flight: v.number(),
  queued: v.number(),
  backlog: v.number(),
  recovered: v.number(),
  replayed: v.number(),
  lost: v.record(v.string(), v.number()),
  imbalance: v.number(),
});

/** What an agent below said of its hop. */
const HopReport = v.object({
  guid: v.string(),
  hostname: v.string(),
  told: v.number(),
  complete_to: v.number(),
  account: LinkAccountReport,
});

const HostReport = v.object({
  guid: v.string(),
  hostname: v.string(),
  status: v.picklist(["online", "stale", "offline", "archived"]),
  lag: v.number(),
  last: v.number(),
  complete_to: v.number(),
  missing_from: v.number(),
  path: v.array(HopReport),
  clock_offset: v.nullable(v.number()),
  version: v.string(),
  hops: v.number(),
  charts: v.number(),
  dims: v.number(),
  rate: v.number(),
  mode: v.string(),
  balance: v.object({
    collected: v.number(),
    received: v.number(),
    backfilled: v.number(),
    stored: v.number(),
    base: v.number(),
    merged: v.number(),
    unkept: v.number(),
    dropped: Dropped,
    imbalance: v.number(),
  }),
  files_problem: v.string(),
  corrupt_blocks: v.number(),
  refused_charts: v.number(),
  refused_dimensions: v.number(),
});

const DestinationReport = v.object({
  name: v.string(),
  last_attempt: v.number(),
  error: v.nullable(v.string()),
  reason: v.nullable(v.string()),
  postponed_until: v.number(),
  in_use_since: v.number(),
});

const RefusalReport = v.object({
  when: v.number(),
  times: v.number(),
  address: v.string(),
  hostname: v.string(),
  guid: v.string(),
  key: v.string(),
  reason: v.string(),
  text: v.string(),
  advice: v.string(),
});

const LinkReport = v.object({
  from: v.string(),
  to: v.string(),
  key: v.string(),
  state: v.string(),
  rate: v.number(),
  error: v.nullable(v.string()),
  confirm: v.picklist(["hop", "end"]),
  unconfirmed: v.nullable(v.string()),
  destinations: v.array(DestinationReport),
  account: LinkAccountReport,
});

const ReceiverReport = v.object({ guid: v.string(), address: v.string(), key: v.string() });

const ExporterReport = v.object({
  name: v.string(),
  type: v.string(),
  destination: v.string(),
  state: v.string(),
  rate: v.number(),
  produced: v.number(),
  sent: v.number(),
  lost: v.number(),
  queued: v.number(),
  error: v.nullable(v.string()),
});

const MismatchReport = v.object({ when: v.number(), kind: v.string(), hostname: v.string(), text: v.string() });

const AgentReportSchema = v.object({
  now: v.number(),
  self: v.nullable(v.string()),
  version: v.string(),
  hosts: v.array(HostReport),
  links: v.array(LinkReport),
  receivers: v.array(ReceiverReport),
  refusals: v.array(RefusalReport),
  exporters: v.array(ExporterReport),
  mismatches: v.object({
    checked: v.number(),
    database: v.number(),
    link: v.number(),
    stream: v.number(),
    latest: v.array(MismatchReport),
  }),
  restart_needed: v.array(v.string()),
  db: v.object({ refused_hosts: v.number(), files_set_aside: v.number() }),
});

/** What `/api/v1/agent` of a running agent says, as far as the command line shows it. */
export type AgentReport = v.InferOutput<typeof AgentReportSchema>;
export type HostReport = AgentReport["hosts"][number];
export type LinkReport = AgentReport["links"][number];
export type RefusalReport = AgentReport["refusals"][number];

/**
 * Asks a running agent for its state.
 * @param baseUrl such as `http://127.0.0.1:19999`. @returns the parsed report and the text it came in.
 * @throws AgentError `agent_unreachable` or `agent_unknown`.
 */
export async function fetchReport(baseUrl: string): Promise<{ report: AgentReport; text: string }> {
  const url = new URL("/api/v1/agent", baseUrl).href;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  } catch (error) {
    const hint = "is the agent running? give its address: tributary status HOST:PORT";
    throw new AgentError("agent_unreachable", `${url}: ${problemOf(error)}\n  hint: ${hint}`, { cause: error });
  }
  const text = await response.text();
  if (!response.ok) throw new AgentError("agent_unknown", `${url}: status ${response.status}: ${text.slice(0, 200)}`);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), AgentReportSchema), text);
  if (!parsed.success) throw new AgentError("agent_unknown", `${url}: this is not the answer of a tributary agent`);
  return { report: parsed.output, text };
}

function problemOf(error: unknown): string {
  if (errorCode(error) === "ECONNREFUSED") return "connection refused, nothing listens there";
  if (error instanceof DOMException && error.name === "TimeoutError")
    return `no answer in ${REQUEST_TIMEOUT_MS / 1000} s`;
  return errorText(error);
}

/** Sum of the losses of any account. */
export function lossTotal(lost: Readonly<Record<string, number>>): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}
