import { parseGuid } from "../base/guid.ts";
import { statusOf } from "./host-status.ts";
import { jsonReply, type Reply } from "./reply.ts";
import type { HttpSources } from "./sources.ts";
import type { Parameters } from "./url.ts";

const NONCE_BELOW = 2 ** 31;

/** `/api/v3/stream_info`: what 2.x children ask before they connect, to rank their parents (streaming.md §1.6). */
export function streamInfoReply(sources: HttpSources, parameters: Parameters): Reply {
  const { agent, database } = sources;
  const guid = parseGuid(parameters.get("machine_guid") ?? "");
  const host = guid === undefined ? undefined : database.host(guid);
  const answer = {
    version: 1,
    status: host === undefined ? 404 : 200,
    host_id: database.localhost?.machineGuid ?? "",
    nodes: database.hostCount,
    receivers: agent.receivers().length,
    nonce: Math.floor(sources.random() * NONCE_BELOW),
  };
  if (host === undefined) return jsonReply(JSON.stringify(answer));
  const isLive = host.isLocal || statusOf(host, sources.clock.nowUs()) === "online";
  let firstSec = 0;
  for (const chart of host.charts) {
    if (chart === null || chart.slotsPassed === 0) continue;
    if (firstSec === 0 || chart.firstEntrySec < firstSec) firstSec = chart.firstEntrySec;
  }
  return jsonReply(
    JSON.stringify({
      ...answer,
      db_status: "online",
      db_liveness: isLive ? "live" : "stale",
      ingest_type: host.isLocal ? "localhost" : host.isConnected ? "child" : "archived",
      ingest_status: host.isLocal || host.isConnected ? "online" : "offline",
      first_time_s: firstSec,
      last_time_s: Math.floor(host.lastCollectedUs / 1e6),
    }),
  );
}
