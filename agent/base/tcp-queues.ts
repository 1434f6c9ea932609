import { readFileSync } from "node:fs";

/** Bytes that one connection has sent and its peer has not confirmed. */
export interface TcpQueue {
  /** Connections with both ports alike cannot be told apart: theirs lies between the two amounts. */
  readonly leastBytes: number;
  readonly mostBytes: number;
}

/** The queues of this machine's connections, by {@link tcpQueueKey}, as far as the kernel tells of them. */
export type TcpQueues = () => ReadonlyMap<number, TcpQueue>;

/** @param localPort, remotePort of a connected socket. */
export function tcpQueueKey(localPort: number, remotePort: number): number {
  return localPort * 65_536 + remotePort;
}

/**
 * The kernel's tables. Reading them costs some ms, even where there are few connections: the kernel goes through its
 * whole hash. @param procNet `/proc/net`, or a folder like it. A table that cannot be read is empty.
 */
export function createTcpQueues(procNet: string): TcpQueues {
  return () => {
    const queues = new Map<number, TcpQueue>();
    for (const table of ["tcp", "tcp6"]) readTable(`${procNet}/${table}`, queues);
    return queues;
  };
}

function readTable(path: string, queues: Map<number, TcpQueue>): void {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    // No IPv6, or no /proc: then this is not known.
    return;
  }
  // Number, addresses with ports, state (01 = established, 08 = the peer has closed its side), queues; in hexadecimal.
  const line = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) 0[18] ([0-9A-F]{8}):/gm;
  for (const [, local = "", remote = "", queue = ""] of text.matchAll(line)) {
    const key = tcpQueueKey(Number.parseInt(local, 16), Number.parseInt(remote, 16));
    const bytes = Number.parseInt(queue, 16);
    const twin = queues.get(key);
    queues.set(key, {
      leastBytes: Math.min(twin?.leastBytes ?? bytes, bytes),
      mostBytes: Math.max(twin?.mostBytes ?? bytes, bytes),
    });
  }
}
