import type { Config } from "../config/schema.ts";
import type { PusherSettings } from "../pusher/pusher-world.ts";
import type { Pushers } from "../pusher/pushers.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import { ownPushSettings, proxyPushSettings } from "./push-settings.ts";

/** Which hosts are streamed on and how: this agent's own, and children by the API key they showed last. */
export class HostLinks {
  private readonly database: Database;
  private readonly pushers: Pushers;
  /** The configuration in effect. */
  private readonly config: () => Config;
  /** Key that each child last connected with; of children that are away too. */
  private readonly keys = new Map<Host, string>();

  constructor(database: Database, pushers: Pushers, config: () => Config) {
    this.database = database;
    this.pushers = pushers;
    this.config = config;
  }

  /** A child connected: its link follows the settings of this key from now on. */
  childConnected(host: Host, key: string): void {
    this.keys.set(host, key);
    this.pushers.reload([host], () => this.settingsOf(host));
    // Its own sender begins anew, so downstream everything is defined once more too.
    this.pushers.repeatDefinitions(host);
  }

  /** The database forgot this host. */
  hostRemoved(host: Host): void {
    this.keys.delete(host);
    this.pushers.detach(host);
  }

  /** Brings the links of all known hosts, connected or not, in line with the configuration in effect. */
  follow(): void {
    this.pushers.reload(this.database.hosts, (host) => this.settingsOf(host));
  }

  /** API key that a host is streamed with; empty if it is not. */
  keyOf(machineGuid: string): string {
    const host = this.database.host(machineGuid);
    return (host === undefined ? null : this.settingsOf(host))?.apiKey ?? "";
  }

  private settingsOf(host: Host): PusherSettings | null {
    if (host.isLocal) return ownPushSettings(this.config());
    const key = this.keys.get(host);
    return key === undefined ? null : proxyPushSettings(this.config(), key, host.machineGuid);
  }
}
