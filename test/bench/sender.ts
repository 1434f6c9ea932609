import type { Socket } from "bun";
import { ChildLoad } from "./load.ts";

// A process that plays many children: bun sender.ts PORT KEY CHILDREN CHARTS DIMENSIONS HOLES SECONDS
const [port = "0", key = "", ...numbers] = process.argv.slice(2);
const [children = 1, charts = 1, dimensions = 1, holes = 0, seconds = 60] = numbers.map(Number);
const load = new ChildLoad({ charts, dimensions, holes, percentageEvery: 0 });
const STEP_MS = 5;

class Child {
  readonly phaseMs: number;
  private readonly socket: Socket<Child>;
  private pending: Buffer[] = [];
  private taken = 0;
  ticks = 0;

  constructor(socket: Socket<Child>, phaseMs: number) {
    this.socket = socket;
    this.phaseMs = phaseMs;
  }

  send(bytes: Buffer): void {
    this.pending.push(bytes);
    this.flush();
  }

  flush(): void {
    while (this.pending.length > 0) {
      const bytes = this.pending[0]!;
      const written = this.socket.write(bytes, this.taken, bytes.length - this.taken);
      if (written < 0) throw new Error("the parent closed the connection");
      this.taken += written;
      if (this.taken < bytes.length) return;
      this.taken = 0;
      this.pending.shift();
    }
  }
}

async function connect(index: number): Promise<Child> {
  const accepted = Promise.withResolvers<void>();
  const socket = await Bun.connect<Child>({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      data: (_, chunk) =>
        chunk.includes("Hit me baby, push") ? accepted.resolve() : accepted.reject(chunk.toString()),
      drain: (socket) => socket.data.flush(),
      error: (_, error) => accepted.reject(error),
    },
  });
  const child = new Child(socket, (index / children) * 1000);
  socket.data = child;
  const guid = `aaaaaaaa-0000-0000-0000-${index.toString(16).padStart(12, "0")}`;
  socket.write(
    `STREAM key=${key}&hostname=bench-${index}&machine_guid=${guid}&os=linux&update_every=1 HTTP/1.1\r\n\r\n`,
  );
  await accepted.promise;
  child.send(load.definitions());
  return child;
}

const all: Child[] = [];
for (let index = 0; index < children; index++) {
  all.push(await connect(index));
  if (index % 40 === 39) await Bun.sleep(1000); // the parent lets in 50 a second
}
process.stdout.write("connected\n");
const startMs = performance.now();
/** One buffer a second, shared by all children; kept while a slow one may still need it. */
const ticks = new Map<number, Buffer>();
function bytesOf(tick: number): Buffer {
  let bytes = ticks.get(tick);
  if (bytes === undefined) {
    bytes = Buffer.from(load.tick(tick, tick < 2));
    ticks.set(tick, bytes);
    ticks.delete(tick - 5);
  }
  return bytes;
}
while (performance.now() - startMs < seconds * 1000) {
  const elapsedMs = performance.now() - startMs;
  for (const child of all) {
    if (elapsedMs >= child.ticks * 1000 + child.phaseMs) child.send(bytesOf(child.ticks++));
  }
  await Bun.sleep(STEP_MS);
}
process.exit(0);
