import { lookup } from "node:dns/promises";
import type { Clock } from "./clock.ts";
import type { Destination } from "./destination.ts";
import { AgentError, errorCode, errorText } from "./errors.ts";
import type { SocketOwner, StreamSocket } from "./stream-socket.ts";

/** How to give up an attempt. */
export interface DialLimits {
  /** For looking up the name, and again for each of its addresses. */
  readonly timeoutMs: number;
  /** Aborted: the attempt rejects, a socket that opens later is closed at once. */
  readonly signal: AbortSignal;
}

/**
 * Opens a connection: the addresses of the name are tried in order until one accepts. Events of the socket go to
 * `owner` from then on; none comes before the promise is resolved.
 * Rejects with an AgentError `connect_failed` that names the destination and what each address said.
 */
export type Dial = (destination: Destination, owner: SocketOwner, limits: DialLimits) => Promise<StreamSocket>;

/** Connections of this machine. */
export function createDial(clock: Clock): Dial {
  return async (destination, owner, limits) => {
    if (destination.tls) throw connectFailed(destination, "TLS is not supported by this version");
    const targets = await addressesOf(clock, destination, limits);
    const problems = new Set<string>();
    for (const target of targets) {
      try {
        return await connect(clock, target, owner, limits);
      } catch (error) {
        problems.add(targets.length === 1 ? problemText(error) : `${targetName(target)} ${problemText(error)}`);
      }
      if (limits.signal.aborted) break;
    }
    throw connectFailed(destination, [...problems].join(", "));
  };
}

type Target = { hostname: string; port: number } | { unix: string };

function targetName(target: Target): string {
  return "unix" in target ? target.unix : target.hostname;
}

/** Addresses tried for one name: no real name has more that differ, and each may cost a whole timeout. */
const ADDRESSES_MAX = 8;

async function addressesOf(clock: Clock, destination: Destination, limits: DialLimits): Promise<Target[]> {
  const { host, port, interfaceName, unixPath } = destination;
  if (unixPath !== "") return [{ unix: unixPath }];
  try {
    const found = await withLimits(clock, limits, lookup(host, { all: true }));
    const scope = interfaceName === "" ? "" : `%${interfaceName}`;
    return found.slice(0, ADDRESSES_MAX).map(({ address }) => ({ hostname: `${address}${scope}`, port }));
  } catch (error) {
    throw connectFailed(destination, problemText(error), error);
  }
}

/** Opens one socket. A late one is closed, and its owner hears nothing of it. */
async function connect(clock: Clock, target: Target, owner: SocketOwner, limits: DialLimits): Promise<StreamSocket> {
  let isWanted = true;
  const handlers: Bun.SocketHandler<undefined> = {
    data(socket, chunk) {
      if (isWanted) owner.data(socket, chunk);
    },
    drain(socket) {
      if (isWanted) owner.drain(socket);
    },
    end(socket) {
      if (isWanted) owner.end(socket);
    },
    close(socket) {
      if (isWanted) owner.close(socket);
    },
    // A reset is reported here and then by `close`.
    error() {},
  };
  // The types do not know it for clients, the runtime does: without it the runtime closes on the peer's FIN.
  const options = { ...target, allowHalfOpen: true, socket: handlers } as unknown as Bun.TCPSocketConnectOptions;
  const opening = Bun.connect(options);
  try {
    const socket = await withLimits(clock, limits, opening);
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    isWanted = false;
    opening.then(
      (late) => late.terminate(),
      // It failed as well, as everybody knows by now.
      () => {},
    );
    throw error;
  }
}

/** A promise that is late, or not wanted any more, is left alone and rejected in its place. */
function withLimits<T>(clock: Clock, { timeoutMs, signal }: DialLimits, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = () => reject(new AgentError("connect_aborted", "given up"));
  const late = () => reject(new AgentError("connect_timeout", `no answer within ${timeoutMs / 1000} s`));
  const timer = clock.setTimer(timeoutMs, late);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  work.then(resolve, reject);
  return promise.finally(() => {
    timer[Symbol.dispose]();
    signal.removeEventListener("abort", giveUp);
  });
}

function connectFailed(destination: Destination, problem: string, cause?: unknown): AgentError {
  return new AgentError("connect_failed", `${destination.name}: ${problem}`, { cause });
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "no answer",
  EACCES: "permission denied",
  ENOENT: "no such socket",
  ENOTFOUND: "unknown host name",
  EAI_AGAIN: "the name server does not answer",
};

function problemText(error: unknown): string {
  return PROBLEMS[errorCode(error)] ?? errorText(error);
}
