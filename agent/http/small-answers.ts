import type { Host } from "../rrd/host.ts";
import { errorReply, JSON_TYPE, jsonReply, type Reply } from "./reply.ts";
import type { HttpSources } from "./sources.ts";
import type { Parameters } from "./url.ts";

const REGISTRY_ACTIONS = new Set(["access", "delete", "search", "switch"]);

/** `/api/v1/alarms`: what a host without alarms answers; clients fail when it is missing. */
export function alarmsReply(host: Host, nowSec: number): Reply {
  const { hostname } = host;
  const alarms = { hostname, latest_alarm_log_unique_id: 0, status: false, now: nowSec, alarms: {} };
  return jsonReply(JSON.stringify(alarms, null, "\t"));
}

/** `/api/v1/alarms_values`. */
export function alarmsValuesReply(host: Host): Reply {
  return jsonReply(JSON.stringify({ hostname: host.hostname, alarms: {} }, null, "\t"));
}

/** `/api/v1/alarm_count`. */
export function alarmCountReply(): Reply {
  return jsonReply("[0]\n");
}

/** `/api/v1/alarm_log`. */
export function alarmLogReply(): Reply {
  return jsonReply("[]");
}

/** `/api/v1/alarm_variables`. */
export function alarmVariablesReply(host: Host, parameters: Parameters): Reply {
  const id = parameters.get("chart");
  if (id === undefined) return errorReply(400, "No chart id is given at the request.");
  const chart = host.findChart(id);
  if (chart === undefined || !chart.isVisible) return errorReply(404, "Chart is not found.");
  const { name, context, family } = chart.definition;
  const answer = {
    chart: chart.id,
    chart_name: name,
    chart_context: context,
    chart_variables: {},
    family,
    family_variables: {},
    host: host.hostname,
    host_variables: {},
  };
  return jsonReply(JSON.stringify(answer, null, "\t"));
}

/** `/api/v1/registry`: there is no registry; `hello` names this agent as its own. */
export function registryReply(sources: HttpSources, host: Host, parameters: Parameters, hostHeader: string): Reply {
  const action = parameters.get("action") ?? "";
  if (action !== "hello" && !REGISTRY_ACTIONS.has(action)) {
    return errorReply(400, "Invalid registry request - you need to set an action: hello, access, delete, search");
  }
  const answer = {
    action,
    status: action === "hello" ? "ok" : "disabled",
    hostname: (sources.database.localhost ?? host).hostname,
    machine_guid: (sources.database.localhost ?? host).machineGuid,
    // Never a third party: old pages would send their visitors' addresses there.
    registry: /^[A-Za-z0-9.:[\]_-]{1,255}$/.test(hostHeader) ? `http://${hostHeader}` : "",
  };
  return { status: 200, contentType: JSON_TYPE, body: JSON.stringify(answer, null, "\t"), cache: "none" };
}
