import type { Config, MemoryMode } from "./schema.ts";

/** What holds for one child, every default and precedence resolved (config.md §1, §2.5; streaming.md §8). */
export interface ChildSettings {
  /** There is a table for this API key. */
  readonly isKeyKnown: boolean;
  /** It is known and enabled. */
  readonly isKeyEnabled: boolean;
  /** The machine is not switched off. */
  readonly isMachineEnabled: boolean;
  /** Access lists (text for `AddressList`) that the peer must pass, both of them. */
  readonly keyAllowFrom: string;
  readonly machineAllowFrom: string;
  /** Undefined = what the child says. */
  readonly updateEverySec: number | undefined;
  /** Slots of each ring. */
  readonly history: number;
  readonly memoryMode: MemoryMode;
  readonly replication: ReplicationSettings;
  readonly proxy: ProxySettings;
}

/** How much of the past a child is asked for. */
export interface ReplicationSettings {
  readonly isEnabled: boolean;
  /** Nothing older is asked for. */
  readonly windowSec: number;
  /** Longest range of one request. */
  readonly stepSec: number;
}

/** How a child's data is passed on. */
export interface ProxySettings {
  /** True only when it is switched on and has a destination and a key. */
  readonly isEnabled: boolean;
  /** Entries for `parseDestination`, in order of failover. */
  readonly destination: readonly string[];
  /** Lower-case GUID, or empty. */
  readonly apiKey: string;
  /** Simple patterns on chart id or name. */
  readonly sendChartsMatching: string;
}

/**
 * Precedence: built-in → `[db]`/`[stream]` → `[api_key."…"]` → `[machine."…"]`; the most specific wins.
 * @param apiKey as the child showed it, lower case. @param machineGuid lower case.
 */
export function childSettings(config: Config, apiKey: string, machineGuid: string): ChildSettings {
  const { db, stream } = config;
  const key = Object.hasOwn(config.api_key, apiKey) ? config.api_key[apiKey] : undefined;
  const machine = Object.hasOwn(config.machine, machineGuid) ? config.machine[machineGuid] : undefined;
  const isProxyWanted = machine?.proxy_enabled ?? key?.default_proxy_enabled ?? stream.enabled;
  const destination = machine?.proxy_destination ?? key?.default_proxy_destination ?? stream.destination;
  const proxyApiKey = machine?.proxy_api_key ?? key?.default_proxy_api_key ?? stream.api_key;
  return {
    isKeyKnown: key !== undefined,
    isKeyEnabled: key?.enabled ?? false,
    isMachineEnabled: machine?.enabled ?? true,
    keyAllowFrom: key?.allow_from ?? "*",
    machineAllowFrom: machine?.allow_from ?? "*",
    updateEverySec: machine?.update_every,
    history: machine?.history ?? key?.default_history ?? db.history,
    memoryMode: machine?.memory_mode ?? key?.default_memory_mode ?? db.mode,
    replication: {
      isEnabled: machine?.enable_replication ?? key?.enable_replication ?? db.enable_replication,
      windowSec: machine?.seconds_to_replicate ?? key?.seconds_to_replicate ?? db.seconds_to_replicate,
      stepSec:
        machine?.seconds_per_replication_step ?? key?.seconds_per_replication_step ?? db.seconds_per_replication_step,
    },
    proxy: {
      isEnabled: isProxyWanted && destination.length > 0 && proxyApiKey !== "",
      destination,
      apiKey: proxyApiKey,
      sendChartsMatching:
        machine?.proxy_send_charts_matching ?? key?.default_proxy_send_charts_matching ?? stream.send_charts_matching,
    },
  };
}
