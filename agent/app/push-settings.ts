import { childSettings, type ProxySettings } from "../config/child-settings.ts";
import type { Config } from "../config/schema.ts";
import type { PusherSettings } from "../pusher/pusher-world.ts";

/** How this agent's own host is streamed; null = it is not. */
export function ownPushSettings(config: Config): PusherSettings | null {
  const { enabled, destination, api_key: apiKey, send_charts_matching: sendChartsMatching } = config.stream;
  if (!enabled) return null;
  const settings = { isEnabled: true, destination, apiKey, sendChartsMatching };
  return pushSettings(config, settings, config.collector.enabled);
}

/** How a child is passed on; null = it is not, or it may not stream to us any more. @param apiKey it last showed. */
export function proxyPushSettings(config: Config, apiKey: string, machineGuid: string): PusherSettings | null {
  const { isKeyEnabled, isMachineEnabled, proxy } = childSettings(config, apiKey, machineGuid);
  return isKeyEnabled && isMachineEnabled && proxy.isEnabled ? pushSettings(config, proxy, true) : null;
}

function pushSettings({ db, stream }: Config, proxy: ProxySettings, expectsValues: boolean): PusherSettings {
  return {
    destinations: proxy.destination,
    defaultPort: stream.default_port,
    apiKey: proxy.apiKey,
    timeoutSec: stream.timeout_seconds,
    bufferSizeBytes: stream.buffer_size_bytes,
    reconnectDelaySec: stream.reconnect_delay_seconds,
    initialClockResyncIterations: stream.initial_clock_resync_iterations,
    returnAfterSec: stream.return_to_preferred_after_seconds,
    isReplicating: db.enable_replication,
    confirmsEnd: stream.confirm === "end",
    expectsValues,
    sendChartsMatching: proxy.sendChartsMatching,
  };
}
