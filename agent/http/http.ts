import { BugError, errorText } from "../base/errors.ts";
import type { HttpClient } from "../base/http-handler.ts";
import type { Host } from "../rrd/host.ts";
import { agentReply } from "./agent.ts";
import { allmetricsReply } from "./allmetrics.ts";
import { chartReply, chartsReply } from "./charts.ts";
import { HttpCounters } from "./counters.ts";
import { dataReply } from "./data.ts";
import { deliver } from "./deliver.ts";
import { escapeEcho } from "./escape.ts";
import { infoReply } from "./info.ts";
import { OpenAnswers } from "./open-answers.ts";
import { hostPage, hostsPage } from "./page.ts";
import { HostRates } from "./rates.ts";
import { errorReply, HTML_TYPE, type Reply, TEXT_TYPE } from "./reply.ts";
import { ScrapeMemory } from "./scrape-memory.ts";
import {
  alarmCountReply,
  alarmLogReply,
  alarmsReply,
  alarmsValuesReply,
  alarmVariablesReply,
  registryReply,
} from "./small-answers.ts";
import type { HttpSources } from "./sources.ts";
import { streamInfoReply } from "./stream-info.ts";
import { parseTarget, type Target, URL_BYTES_MAX } from "./url.ts";

/** What children ask before they stream (streaming.md §1.6). */
const STREAM_INFO_PATH = "api/v3/stream_info";
const NOT_ALLOWED = "You are not allowed to access this resource.";
const NO_DATABASE = "This host does not maintain a database";
const UPDATE_EVERY_SEC_DEFAULT = 1;

/** Commands that answer 400 for a host without a database. */
const NEEDS_DATABASE = new Set(["chart", "data", "alarm_variables"]);

const ALLOWED_HEADERS =
  "accept, x-requested-with, origin, content-type, cookie, pragma, cache-control, x-auth-token, authorization";

/** A request on its way to its answer. */
interface Call {
  readonly request: Request;
  readonly client: HttpClient;
  readonly target: Target;
}

/**
 * Everything this agent says over HTTP (http-api.md): pass {@link handle} to the door. Needs no socket.
 * Call {@link tick} about once a second.
 */
export class HttpApi {
  readonly counters = new HttpCounters();
  readonly open = new OpenAnswers();
  private readonly sources: HttpSources;
  private readonly memory = new ScrapeMemory();
  private readonly rates = new HostRates();
  private readonly commands: ReadonlyMap<string, (host: Host, call: Call) => Reply>;

  constructor(sources: HttpSources) {
    this.sources = sources;
    this.commands = this.createCommands();
  }

  /** Answers one request. Throws only for bugs, which must end the process. */
  readonly handle = (request: Request, client: HttpClient): Response => {
    const { clock, log, version } = this.sources;
    const startMs = clock.monotonicMs();
    const delivery = {
      request,
      clock,
      log,
      counters: this.counters,
      open: this.open,
      version,
      gzipLevel: this.sources.gzipLevel(),
      updateEverySec: this.sources.database.localhost?.updateEverySec ?? UPDATE_EVERY_SEC_DEFAULT,
    };
    let response: Response;
    try {
      response = deliver(this.reply(request, client), delivery);
    } catch (error) {
      if (error instanceof BugError) throw error;
      this.counters.failed++;
      log.error("http.request_failed", { problem: errorText(error) });
      response = deliver(errorReply(500, "Internal error, see the agent's log."), delivery);
    }
    this.counters.answered((clock.monotonicMs() - startMs) * 1000);
    return response;
  };

  /** Takes the rates of all hosts a step further. */
  tick(): void {
    const nowMs = this.sources.clock.monotonicMs();
    for (const host of this.sources.database.hosts) this.rates.observe(host, nowMs);
  }

  private reply(request: Request, client: HttpClient): Reply {
    if (request.url.length > URL_BYTES_MAX) {
      return errorReply(400, `Received request is too big  (${request.url.length} bytes).`);
    }
    const { method } = request;
    if (method !== "GET" && method !== "HEAD" && method !== "OPTIONS") {
      return errorReply(400, "I don't understand you...\r\n");
    }
    const target = parseTarget(request.url);
    const isProbe = target.path === "healthz";
    const mayStream = target.path === STREAM_INFO_PATH && this.sources.allowsStreaming(client.address);
    if (!isProbe && !mayStream && !this.sources.allowsDashboard(client.address)) {
      this.counters.refused++;
      return errorReply(403, NOT_ALLOWED);
    }
    if (method === "OPTIONS") return optionsReply();
    if (isProbe) return { status: 200, contentType: TEXT_TYPE, body: "ok", cache: "none" };
    return this.route({ request, client, target });
  }

  private route(call: Call): Reply {
    const { path } = call.target;
    const segments = path.split("/");
    if (path === "" || path === "index.html") {
      this.counters.pageUsed++;
      return hostsPage(this.sources);
    }
    if (segments[0] === "host") return this.routeHost(segments.slice(1), call);
    if (segments[0] === "api") return this.routeApi(this.sources.database.localhost, segments.slice(1), call);
    return fileReply(path);
  }

  /** `/host/<hostname or machine GUID>/…` */
  private routeHost(segments: readonly string[], call: Call): Reply {
    const [name = "", ...rest] = segments;
    const host = this.sources.database.findHost(name);
    if (host === undefined) return unknownHost(name);
    const [first] = rest;
    if (first === undefined) {
      const headers = { Location: `/host/${encodeURIComponent(name)}/${call.target.search}` };
      return { ...errorReply(308, "Permanent redirect"), headers };
    }
    if (first === "host") return errorReply(400, "Nesting of hosts is not allowed.");
    if (first === "api") return this.routeApi(host, rest.slice(1), call);
    if (first === "" || first === "index.html") {
      this.counters.pageUsed++;
      return hostPage(host, this.sources);
    }
    return fileReply(rest.join("/"));
  }

  private routeApi(host: Host | null, segments: readonly string[], call: Call): Reply {
    const [version = "", command = ""] = segments;
    if (version === "") return errorReply(400, "Which API version?");
    if (version === "v3" && command === "stream_info") return streamInfoReply(this.sources, call.target.parameters);
    if (version !== "v1") return errorReply(404, `Unsupported API version: ${escapeEcho(version)}`, HTML_TYPE);
    if (command === "") return errorReply(400, "Which API v1 command?");
    const run = this.commands.get(command);
    if (run === undefined) return errorReply(404, `Unsupported v1 API command: ${escapeEcho(command)}`);
    if (host === null) return unknownHost("localhost");
    if (host.ring === null && NEEDS_DATABASE.has(command)) return errorReply(400, NO_DATABASE);
    return run(host, call);
  }

  private createCommands(): ReadonlyMap<string, (host: Host, call: Call) => Reply> {
    const { sources, memory, counters, open, rates } = this;
    const nowSec = () => Math.floor(sources.clock.nowUs() / 1e6);
    return new Map<string, (host: Host, call: Call) => Reply>([
      ["info", (host) => infoReply(host, sources, counters)],
      ["charts", (host) => chartsReply(host, sources)],
      ["chart", (host, { target }) => chartReply(host, target.parameters)],
      ["data", (host, { target }) => dataReply(host, target.parameters, nowSec(), open)],
      [
        "allmetrics",
        (host, { target, client }) => {
          return allmetricsReply(host, target.parameters, { sources, memory, counters, address: client.address });
        },
      ],
      ["agent", () => agentReply(sources, rates)],
      ["alarms", (host) => alarmsReply(host, nowSec())],
      ["alarms_values", (host) => alarmsValuesReply(host)],
      ["alarm_count", () => alarmCountReply()],
      ["alarm_log", () => alarmLogReply()],
      ["alarm_variables", (host, { target }) => alarmVariablesReply(host, target.parameters)],
      [
        "registry",
        (host, { request, target }) => {
          return registryReply(sources, host, target.parameters, request.headers.get("host") ?? "");
        },
      ],
    ]);
  }
}

function unknownHost(name: string): Reply {
  return errorReply(404, `This netdata does not maintain a database for host: ${escapeEcho(name)}`, HTML_TYPE);
}

function optionsReply(): Reply {
  return {
    status: 200,
    contentType: TEXT_TYPE,
    body: "OK",
    cache: "absent",
    headers: {
      "Access-Control-Allow-Methods": "GET, OPTIONS",
      "Access-Control-Allow-Headers": ALLOWED_HEADERS,
      "Access-Control-Max-Age": "1209600",
    },
  };
}

/** There are no files: says so as other agents do. */
function fileReply(path: string): Reply {
  const shown = escapeEcho(path);
  if (/[^A-Za-z0-9/._-]/.test(path)) {
    return errorReply(400, `Filename contains invalid characters: ${shown}`, HTML_TYPE);
  }
  if (path.includes("..")) return errorReply(400, `Relative filenames are not supported: ${shown}`, HTML_TYPE);
  return errorReply(404, `File does not exist, or is not accessible: ${shown}`, HTML_TYPE);
}
