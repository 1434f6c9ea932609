import { isIP } from "node:net";
import { InputError } from "./input-error.ts";

/** Where a stream or an exporter connects to. */
export interface Destination {
  /** Host name or numeric address without brackets and scope; empty for a unix socket. */
  readonly host: string;
  /** Scope of a link-local IPv6 address (`eth0`), or empty. */
  readonly interfaceName: string;
  /** 1…65535; 0 for a unix socket. */
  readonly port: number;
  /** Path of a unix socket, or empty. */
  readonly unixPath: string;
  readonly tls: boolean;
  /** `host:port` or `unix:/path` as shown to people and used as a key; two equal destinations have equal names. */
  readonly name: string;
}

const HOST_LENGTH_MAX = 253;

/**
 * Reads `[PROTOCOL:]HOST[%INTERFACE][:PORT][:SSL]` (streaming.md §2.6). PROTOCOL is `tcp` or `unix`; IPv6 stands in
 * brackets.
 * @param portDefault used when the entry names no port.
 * @throws InputError naming the entry.
 */
export function parseDestination(entry: string, portDefault: number): Destination {
  const tls = /:ssl$/i.test(entry);
  let rest = tls ? entry.slice(0, -4) : entry;
  if (/^(unix:)?\//.test(rest)) return unixDestination(rest.replace(/^unix:/, ""), tls, entry);
  if (/^udp:/i.test(rest)) throw invalid(entry, "UDP cannot carry this connection", "leave the protocol out");
  rest = rest.replace(/^tcp:/i, "");
  const parts = /^(?:\[([^\]]*)\]|([^:[\]%]*))(?:%([\w.-]+))?(?::([^:]*))?$/.exec(rest);
  if (parts === null) throw invalid(entry, problemOf(rest), "write HOST, HOST:PORT or [IPV6]:PORT");
  const [, literal, word, outerScope = "", portText = ""] = parts;
  const [address = "", innerScope = ""] = (literal ?? "").split("%");
  const host = literal === undefined ? (word ?? "") : address;
  if (literal !== undefined && isIP(host) !== 6) {
    throw invalid(entry, `"${host}" in brackets is not an IPv6 address`, "write [2001:db8::1]:19999");
  }
  if (host === "" || host.length > HOST_LENGTH_MAX || !/^[\w.:-]+$/.test(host)) {
    throw invalid(entry, host === "" ? "no host" : `"${host}" is not a host name`, "write HOST or HOST:PORT");
  }
  const interfaceName = outerScope || innerScope;
  const port = portText === "" ? portDefault : parsePort(portText, entry);
  const scoped = interfaceName === "" ? host : `${host}%${interfaceName}`;
  const shown = literal === undefined ? scoped : `[${scoped}]`;
  return { host, interfaceName, port, unixPath: "", tls, name: `${shown}:${port}${tls ? ":SSL" : ""}` };
}

function unixDestination(unixPath: string, tls: boolean, entry: string): Destination {
  if (tls) throw invalid(entry, "a unix socket has no TLS", "leave :SSL out");
  return { host: "", interfaceName: "", port: 0, unixPath, tls, name: `unix:${unixPath}` };
}

function parsePort(text: string, entry: string): number {
  if (!/^\d+$/.test(text)) throw invalid(entry, `port "${text}" is not a number`, "give the number of the port");
  const port = Number(text);
  if (port < 1 || port > 65_535) throw invalid(entry, `port ${text} does not exist`, "ports go from 1 to 65535");
  return port;
}

function problemOf(rest: string): string {
  if (isIP(rest) === 6) return `the IPv6 address needs brackets: [${rest}]`;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(rest);
  if (scheme !== null) return `a host and a port are needed here, not a ${scheme[1]} URL`;
  return "this is not a host with an optional port";
}

function invalid(entry: string, problem: string, hint: string): InputError {
  return new InputError("destination_invalid", `destination "${entry}": ${problem}`, hint);
}
