/**
 * Each process has a range of its own, below those that the kernel gives to outgoing connections: a server may be slow
 * to take its port, and test files run side by side.
 */
const RANGE_PORTS = 100;
const RANGES = 200;
const FIRST_PORT = 10_000;
const range = FIRST_PORT + RANGE_PORTS * (process.pid % RANGES);
/** Ports given out before do not come again until all have been. */
let given = 0;

/**
 * Finds ports of 127.0.0.1 on which nothing listens.
 * @param count that many in a row, for servers with several listeners. @returns the first of them.
 */
export function freePorts(count = 1): number {
  for (let i = 0; i < RANGE_PORTS; i++) {
    if ((given % RANGE_PORTS) + count > RANGE_PORTS) given += RANGE_PORTS - (given % RANGE_PORTS);
    const first = range + (given % RANGE_PORTS);
    const ports = Array.from({ length: count }, (_, offset) => first + offset);
    const isFree = ports.every(canListen);
    given += isFree ? count : 1;
    if (isFree) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${range} on`);
}

function canListen(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false; // taken by somebody else: that is the question
  }
}
