import type { Clock } from "../agent/base/clock.ts";
import { silentLog } from "../agent/base/log.ts";
import { HttpApi } from "../agent/http/http.ts";
import type { AgentSources, HttpSources } from "../agent/http/sources.ts";
import type { Database } from "../agent/rrd/database.ts";

/** A clock that stands still until it is moved. */
export class FixedClock implements Clock {
  private us: number;

  constructor(nowSec: number) {
    this.us = nowSec * 1e6;
  }

  nowUs(): number {
    return this.us;
  }

  monotonicMs(): number {
    return this.us / 1000;
  }

  setTimer(): never {
    throw new Error("nobody waits here");
  }

  set(nowSec: number): void {
    this.us = nowSec * 1e6;
  }
}

const NO_AGENT: AgentSources = {
  links: () => [],
  exporters: () => [],
  receivers: () => [],
  refusals: () => [],
  mismatches: () => ({ checkedSec: 0, counts: { database: 0, link: 0, stream: 0 }, latest: [] }),
  files: () => null,
  labels: () => ({}),
  isStreaming: () => false,
  restartNeeded: () => [],
};

/** What the API asks others for, of an agent that is not there. */
export function apiSources(
  database: Database,
  clock: Clock,
  agent: Partial<AgentSources> = {},
  sources: Partial<HttpSources> = {},
): HttpSources {
  return {
    database,
    clock,
    random: () => 0.5,
    log: silentLog,
    version: "9.9.9",
    agent: { ...NO_AGENT, ...agent },
    allowsDashboard: () => true,
    allowsStreaming: () => false,
    gzipLevel: () => 3,
    ...sources,
  };
}

/** An API over a database, without a socket. */
export function newApi(
  database: Database,
  clock: Clock,
  agent: Partial<AgentSources> = {},
  sources: Partial<HttpSources> = {},
): HttpApi {
  return new HttpApi(apiSources(database, clock, agent, sources));
}

/** Asks the API. @param path with its query, as a client writes it. */
export function ask(api: HttpApi, path: string, init: RequestInit = {}, address = "127.0.0.1"): Response {
  return api.handle(new Request(`http://agent.test${path}`, init), { address });
}
