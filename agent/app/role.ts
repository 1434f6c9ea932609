import type { Config } from "../config/schema.ts";

/** What an agent is in its tree, as far as its configuration tells. */
export type Role = "standalone" | "child" | "proxy" | "parent";

/** A parent takes streams, a child sends one, a proxy does both. */
export function roleOf(config: Config): Role {
  const receives = takesStreams(config);
  const passesOn = Object.values(config.api_key).some((key) => key.enabled && key.default_proxy_enabled === true);
  const sends = config.stream.enabled || (receives && passesOn);
  if (receives) return sends ? "proxy" : "parent";
  return sends ? "child" : "standalone";
}

/** Others know this host by its GUID: its parent, and children that must not take themselves for it. */
export function isKnownToOthers(config: Config): boolean {
  return config.stream.enabled || takesStreams(config);
}

/** Children can connect: a key is enabled and there is a listener. */
export function takesStreams(config: Config): boolean {
  return config.web.enabled && Object.values(config.api_key).some((key) => key.enabled);
}
