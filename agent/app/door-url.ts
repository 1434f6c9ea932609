import type { ListenAddress } from "../base/listen-address.ts";

/** The first address as people can open it; `*` is shown as this machine. */
export function doorUrl(addresses: readonly ListenAddress[]): string | null {
  const [first] = addresses;
  if (first === undefined) return null;
  if (first.kind === "unix") return `unix:${first.path}`;
  const host = first.host === "*" ? "127.0.0.1" : first.host;
  return `http://${host.includes(":") ? `[${host}]` : host}:${first.port}`;
}
