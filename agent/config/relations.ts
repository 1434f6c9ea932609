import { childSettings } from "./child-settings.ts";
import type { Mistake } from "./config-error.ts";
import { shownPath } from "./mask.ts";
import type { Config } from "./schema.ts";
import type { ConfigPath } from "./shape.ts";

/** A rule between keys that does not hold. It is not told when a value it `needs` is itself a mistake. */
export interface BrokenRelation {
  readonly mistake: Mistake;
  readonly needs: readonly ConfigPath[];
}

const MAKE_A_KEY = "tributary key makes one";

/** The rules between keys (config.md §2). */
export function findBrokenRelations(config: Config): BrokenRelation[] {
  const broken: BrokenRelation[] = [];
  const add = (path: ConfigPath, problem: string, hint: string, needs: readonly ConfigPath[]) => {
    const mistake: Mistake = { path, problem: `${shownPath(path)}: ${problem}`, hint, at: "value" };
    broken.push({ mistake, needs: [path, ...needs] });
  };
  const { stream, web } = config;
  if (stream.enabled && stream.destination.length === 0) {
    const hint = 'add destination = "PARENT:19999" to [stream], or give --parent PARENT:19999';
    add(["stream", "enabled"], "streaming needs stream.destination", hint, [["stream", "destination"]]);
  }
  if (stream.enabled && stream.api_key === "") {
    const hint = `add api_key = "GUID" to [stream], or give --key GUID; ${MAKE_A_KEY}, the parent needs the same`;
    add(["stream", "enabled"], "streaming needs stream.api_key", hint, [["stream", "api_key"]]);
  }
  if (web.enabled && web.listen.length === 0) {
    const hint = "name an address, or write enabled = false to listen nowhere";
    add(["web", "listen"], "the list is empty", hint, []);
  }
  for (const [name, exporter] of Object.entries(config.exporter)) {
    if (exporter.destination.length > 0) continue;
    add(["exporter", name, "destination"], "the list is empty", 'name a server: destination = "HOST:PORT"', []);
  }
  checkProxies(config, add);
  return broken;
}

/** A table that switches passing-on on must lead to a destination and a key, its own or inherited ones. */
function checkProxies(
  config: Config,
  add: (path: ConfigPath, problem: string, hint: string, needs: readonly ConfigPath[]) => void,
): void {
  const inherited: ConfigPath[] = [
    ["stream", "destination"],
    ["stream", "api_key"],
  ];
  const tell = (path: ConfigPath, prefix: string, missing: string) => {
    const hint = `add ${prefix}proxy_${missing} to this table, or ${missing} to [stream]`;
    const table = path.slice(0, -1);
    const own = [`${prefix}proxy_destination`, `${prefix}proxy_api_key`].map((key) => [...table, key]);
    add(path, `passing on needs ${prefix}proxy_${missing}`, hint, [...inherited, ...own]);
  };
  for (const [key, table] of Object.entries(config.api_key)) {
    if (table.default_proxy_enabled !== true) continue;
    const { proxy } = childSettings(config, key, "");
    const path = ["api_key", key, "default_proxy_enabled"];
    if (proxy.destination.length === 0) tell(path, "default_", "destination");
    if (proxy.apiKey === "") tell(path, "default_", "api_key");
  }
  // Any key may bring what a machine's table lacks; that is wrong only when none does.
  const reached = ["", ...Object.keys(config.api_key)].map((key) => childSettings(config, key, "").proxy);
  const hasDestination = reached.some((proxy) => proxy.destination.length > 0);
  const hasApiKey = reached.some((proxy) => proxy.apiKey !== "");
  for (const [machine, table] of Object.entries(config.machine)) {
    if (table.proxy_enabled !== true) continue;
    const { proxy_destination: destination, proxy_api_key: apiKey } = table;
    const path = ["machine", machine, "proxy_enabled"];
    if (destination === undefined ? !hasDestination : destination.length === 0) tell(path, "", "destination");
    if (apiKey === undefined ? !hasApiKey : apiKey === "") tell(path, "", "api_key");
  }
}
