import { isIP } from "node:net";
import { InputError } from "./input-error.ts";

/** Port of HTTP and streaming when an address names none. */
export const PORT_DEFAULT = 19_999;

/** An address the door listens on. */
export type ListenAddress =
  /** `host`: numeric address, `localhost`, or `*` for all addresses of the machine. `port` 0 = any free one. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads `ip[:port]`, `[v6][:port]`, `*[:port]`, `localhost[:port]` or `unix:/path` (config.md §2.3).
 * @throws InputError naming the entry.
 */
export function parseListen(entry: string): ListenAddress {
  if (entry.startsWith("unix:")) {
    const path = entry.slice("unix:".length);
    if (!path.startsWith("/")) throw invalid(entry, "the path must start with /", "write unix:/run/tributary.sock");
    return { kind: "unix", path };
  }
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(entry.replace(/^tcp:/i, ""));
  if (parts === null) {
    const isBare = isIP(entry) === 6;
    if (isBare)
      throw invalid(entry, "the IPv6 address needs brackets", `write [${entry}] or [${entry}]:${PORT_DEFAULT}`);
    throw invalid(entry, "not an address to listen on", "write 127.0.0.1:19999, [::1]:19999, *:19999 or unix:/path");
  }
  const [, literal, word = "", portText] = parts;
  const host = literal ?? word;
  const isKnown = literal === undefined ? isIP(host) === 4 || host === "*" || host === "localhost" : isIP(host) === 6;
  if (!isKnown) {
    const hint = "give an address of this machine, * for all of them, or localhost";
    throw invalid(entry, `"${host}" is not a numeric address`, hint);
  }
  return { kind: "tcp", host, port: portText === undefined ? PORT_DEFAULT : parsePort(portText, entry) };
}

function parsePort(text: string, entry: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    throw invalid(entry, `port "${text}" does not exist`, "ports go from 1 to 65535, 0 = any free one");
  return port;
}

function invalid(entry: string, problem: string, hint: string): InputError {
  return new InputError("listen_invalid", `address "${entry}": ${problem}`, hint);
}
