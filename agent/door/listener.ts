import { lstatSync, unlinkSync } from "node:fs";
import { AgentError, errorCode, errorText } from "../base/errors.ts";
import type { ListenAddress } from "../base/listen-address.ts";
import type { SocketOwner } from "../base/stream-socket.ts";

/** A client's socket. `data` is the owner that gets its events. */
export type DoorSocket = Bun.Socket<SocketOwner>;

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

type Handlers = Bun.SocketHandler<SocketOwner>;

/**
 * Opens the listening sockets of one address: `*` is one socket for both families (IPv4 alone where IPv6 is off),
 * `localhost` one for each loopback address the machine has.
 * @throws AgentError `port_in_use` or `listen_failed`.
 */
export async function openListeners(
  address: ListenAddress,
  handlers: Handlers,
  listenTcp: ListenTcp = Bun.listen,
): Promise<DoorListener[]> {
  if (address.kind === "unix") return [await openUnix(address.path, handlers)];
  const { host, port } = address;
  if (host === "*") return [openEverywhere(port, handlers, listenTcp)];
  if (host === "localhost") return openLocalhost(port, handlers, listenTcp);
  return [openTcp(host, host, port, handlers, listenTcp)];
}

function openEverywhere(port: number, handlers: Handlers, listenTcp: ListenTcp): DoorListener {
  try {
    return openTcp("::", "*", port, handlers, listenTcp);
  } catch (error) {
    if (error instanceof AgentError && error.code === "port_in_use") throw error;
    return openTcp("0.0.0.0", "*", port, handlers, listenTcp);
  }
}

function openLocalhost(port: number, handlers: Handlers, listenTcp: ListenTcp): DoorListener[] {
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
function openTcp(host: string, shown: string, port: number, handlers: Handlers, listenTcp: ListenTcp): DoorListener {
  try {
    // Half-open, because a client may send FIN and still wait for its answer.
    const listener = listenTcp({ hostname: host, port, exclusive: true, allowHalfOpen: true, socket: handlers });
    return { address: { kind: "tcp", host: shown, port: listener.port }, stop: () => listener.stop(false) };
  } catch (error) {
    throw listenError(`${shown.includes(":") ? `[${shown}]` : shown}:${port}`, error);
  }
}

async function openUnix(path: string, handlers: Handlers): Promise<DoorListener> {
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
