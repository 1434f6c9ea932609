import type { Clock } from "../base/clock.ts";
import type { ProcessUsage } from "./agent-sources.ts";

/** Measures this process; its uptime counts from this call. About 30 µs a reading. */
export function createProcessUsage(clock: Clock): () => ProcessUsage {
  const startedMs = clock.monotonicMs();
  return () => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      userUs: user,
      systemUs: system,
      uptimeSec: Math.floor((clock.monotonicMs() - startedMs) / 1000),
      rssBytes: rss,
      heapBytes: heapUsed,
    };
  };
}
