/** Ports given out in this run: a server may be slow to take the one it got. */
const given = new Set<number>();
const TRIES_MAX = 200;

/**
 * Finds ports of 127.0.0.1 on which nothing listens.
 * @param count that many in a row, for servers with several listeners. @returns the first of them.
 */
export function freePorts(count = 1): number {
  for (let i = 0; i < TRIES_MAX; i++) {
    const first = probePort(0);
    if (first === undefined) continue;
    const ports = Array.from({ length: count }, (_, offset) => first + offset);
    if (!ports.every((port) => port <= 65_535 && !given.has(port) && (port === first || probePort(port)))) continue;
    for (const port of ports) given.add(port);
    return first;
  }
  throw new Error(`no ${count} free ports in a row after ${TRIES_MAX} tries`);
}

/** @returns the port that could be listened on (0 = any), or undefined. */
function probePort(port: number): number | undefined {
  try {
    const listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    const found = listener.port;
    listener.stop(true);
    return found;
  } catch {
    return undefined; // taken by somebody else: that is the question
  }
}
