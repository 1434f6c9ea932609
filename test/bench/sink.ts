// A parent that answers every stream with V1 and reads on: bun sink.ts, prints its port and, at the end of its input,
// what it received.
let bytes = 0;
const server = Bun.listen<{ isOpen: boolean }>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { isOpen: false };
    },
    data(socket, chunk) {
      bytes += chunk.length;
      if (socket.data.isOpen) return;
      socket.data.isOpen = true;
      socket.write("Hit me baby, push them over...");
    },
    error() {},
  },
});
process.stdout.write(`${server.port}\n`);
for await (const _ of process.stdin);
process.stdout.write(`${bytes} bytes\n`);
process.exit(0);
