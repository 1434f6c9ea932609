import { readFileSync } from "node:fs";

/**
 * Bytes that sockets of this machine have sent and their peers have not confirmed, by {@link tcpQueueKey}. Connections
 * with both ports alike share an entry, with the smallest amount: too little is known, never too much.
 */
export type TcpQueues = () => ReadonlyMap<number, number>;

/** @param localPort, remotePort of a connected socket. */
export function tcpQueueKey(localPort: number, remotePort: number): number {
  return localPort * 65_536 + remotePort;
}

/** The kernel's tables. @param procNet `/proc/net`, or a folder like it. A table that cannot be read is empty. */
export function createTcpQueues(procNet: string): TcpQueues {
  return () => {
    const queues = new Map<number, number>();
    for (const table of ["tcp", "tcp6"]) readTable(`${procNet}/${table}`, queues);
    return queues;
  };
}

function readTable(path: string, queues: Map<number, number>): void {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    // No IPv6, or no /proc: then this is not known.
    return;
  }
  // Number, addresses with ports, state (01 = established), queues; all in hexadecimal.
  const line = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) 01 ([0-9A-F]{8}):/gm;
  for (const [, local = "", remote = "", queue = ""] of text.matchAll(line)) {
    const key = tcpQueueKey(Number.parseInt(local, 16), Number.parseInt(remote, 16));
    queues.set(key, Math.min(queues.get(key) ?? Number.POSITIVE_INFINITY, Number.parseInt(queue, 16)));
  }
}
