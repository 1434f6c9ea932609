import { lstatSync, unlinkSync } from "node:fs";
import { AgentError, errorCode, errorText } from "../base/errors.ts";
import type { ListenAddress } from "../base/listen-address.ts";
import type { SocketOwner, StreamSocket } from "../base/stream-socket.ts";

/** A client's socket; one of the runtime fits as it is. */
export interface DoorSocket extends StreamSocket {
  /** The owner that gets its events. */
  data: SocketOwner;
  /** Numeric; empty or missing when the peer is gone already. */
  readonly remoteAddress?: string;
  setNoDelay(isOn: boolean): unknown;
  setKeepAlive(isOn: boolean, initialDelayMs: number): unknown;
}

/** The door's side of all sockets of a listener, called straight from the event loop. */
export interface DoorHandlers {
  open(socket: DoorSocket): void;
  /** @param chunk borrowed. */
  data(socket: DoorSocket, chunk: Buffer): void;
  drain(socket: DoorSocket): void;
  end(socket: DoorSocket): void;
  close(socket: DoorSocket): void;
  /** One of the others threw this. */
  error(socket: DoorSocket, error: Error): void;
}

/** One listening socket. */
export interface DoorListener {
  /** Where it listens; a port given as 0 is the real one here. */
  readonly address: ListenAddress;
  /** Stops accepting; connections stay open. */
  stop(): void;
}

/** Opens a TCP port; `Bun.listen`, or a stand-in that fails as some machines do. */
export type ListenTcp = (
  options: Bun.TCPSocketListenOptions<SocketOwner>,
) => Pick<Bun.TCPSocketListener<SocketOwner>, "port" | "stop">;

/** Opens the listening sockets of one address. Rejects as {@link openListeners}. */
export type Listen = (address: ListenAddress, handlers: DoorHandlers) => Promise<DoorListener[]>;

/**
 * Opens the listening sockets of one address: `*` is one socket for both families (IPv4 alone where IPv6 is off),
 * `localhost` one for each loopback address the machine has.
 * @throws AgentError `port_in_use` or `listen_failed`.
 */
export async function openListeners(
  address: ListenAddress,
  handlers: DoorHandlers,
  listenTcp: ListenTcp = Bun.listen,
): Promise<DoorListener[]> {
  if (address.kind === "unix") return [await openUnix(address.path, handlers)];
  const { host, port } = address;
  if (host === "*") return [openEverywhere(port, handlers, listenTcp)];
  if (host === "localhost") return openLocalhost(port, handlers, listenTcp);
  return [openTcp(host, host, port, handlers, listenTcp)];
}

function openEverywhere(port: number, handlers: DoorHandlers, listenTcp: ListenTcp): DoorListener {
  try {
    return openTcp("::", "*", port, handlers, listenTcp);
  } catch (error) {
    if (error instanceof AgentError && error.code === "port_in_use") throw error;
    return openTcp("0.0.0.0", "*", port, handlers, listenTcp);
  }
}

function openLocalhost(port: number, handlers: DoorHandlers, listenTcp: ListenTcp): DoorListener[] {
  const first = openTcp("127.0.0.1", "127.0.0.1", port, handlers, listenTcp);
  if (first.address.kind !== "tcp") return [first];
  try {
    return [first, openTcp("::1", "::1", first.address.port, handlers, listenTcp)];
  } catch (error) {
    // IPv6 may be off; and a port that was any free one need not be free there as well.
    if (port === 0 || !(error instanceof AgentError && error.code === "port_in_use")) return [first];
    first.stop();
    throw error;
  }
}

/** @param host numeric. @param shown the host as people know it. */
function openTcp(
  host: string,
  shown: string,
  port: number,
  handlers: DoorHandlers,
  listenTcp: ListenTcp,
): DoorListener {
  try {
    // Half-open, because a client may send FIN and still wait for its answer.
    const listener = listenTcp({ hostname: host, port, exclusive: true, allowHalfOpen: true, socket: handlers });
    return { address: { kind: "tcp", host: shown, port: listener.port }, stop: () => listener.stop(false) };
  } catch (error) {
    throw listenError(`${shown.includes(":") ? `[${shown}]` : shown}:${port}`, error);
  }
}

async function openUnix(path: string, handlers: DoorHandlers): Promise<DoorListener> {
  const open = () => Bun.listen<SocketOwner>({ unix: path, allowHalfOpen: true, socket: handlers });
  let listener: Bun.UnixSocketListener<SocketOwner>;
  try {
    listener = open();
  } catch (error) {
    if (errorCode(error) !== "EADDRINUSE" || !(await isDeadSocket(path))) throw listenError(`unix:${path}`, error);
    try {
      unlinkSync(path);
      listener = open();
    } catch (again) {
      throw listenError(`unix:${path}`, again);
    }
  }
  return { address: { kind: "unix", path }, stop: () => listener.stop(false) };
}

/** Is `path` a socket left behind by a process that ended without removing it? */
async function isDeadSocket(path: string): Promise<boolean> {
  try {
    if (!lstatSync(path).isSocket()) return false;
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.end();
    return false;
  } catch (error) {
    return errorCode(error) === "ECONNREFUSED";
  }
}

function listenError(where: string, cause: unknown): AgentError {
  const code = errorCode(cause);
  if (code === "EADDRINUSE") {
    const port = where.slice(where.lastIndexOf(":") + 1);
    const text = where.startsWith("unix:")
      ? `${where}: another process listens on this socket; choose another path with --listen unix:/PATH`
      : `${where}: port ${port} is in use by another process (a netdata on the same host sits on 19999); ` +
        "choose another one with --listen ADDR:PORT";
    return new AgentError("port_in_use", text, { cause });
  }
  const problem = `${errorText(cause)}${code === "" ? "" : ` (${code})`}`;
  const hint =
    code === "EACCES"
      ? "not permitted; ports below 1024 need root, sockets a writable folder"
      : `${problem}; give an address of this machine with --listen ADDR:PORT`;
  return new AgentError("listen_failed", `${where}: ${hint}`, { cause });
}
