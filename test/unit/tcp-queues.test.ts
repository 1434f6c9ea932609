import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createTcpQueues, tcpQueueKey } from "../../agent/base/tcp-queues.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const TCP = `${HEAD}   1: 0100007F:55B1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 261752 1\n
   3: 0100007F:84C4 0100007F:55B1 01 000005A0:00000010 02:00000ADB 00000000     0        0 273234 2 0000000046b90197
  11: 0200007F:84C4 0300007F:55B1 01 00000500:00000000 02:000AFBA3 00000000     0        0 272061 2 00000000e0f95fff
  12: 0100007F:84C7 0100007F:55B1 08 00000077:00000000 02:000AFBA3 00000000     0        0 1 2 00000000e0f95fff
  13: 0100007F:84C5 0100007F:55B1 06 00000500:00000000 02:000AFBA3 00000000     0        0 0 2 00000000e0f95fff
garbage
`;
const TCP6 = `${HEAD}   0: 00000000000000000000000001000000:9C40 00000000000000000000000001000000:4E1F 01 00000000:00000000 00:0 0\n`;

test("connections that can still carry bytes, by their ports; of twins both amounts", () => {
  const folder = mkdtempSync(`${tmpdir()}/tcp-queues-`);
  try {
    const read = createTcpQueues(folder);
    expect([...read()]).toEqual([]);
    writeFileSync(`${folder}/tcp`, TCP);
    writeFileSync(`${folder}/tcp6`, TCP6);
    expect([...read()]).toEqual([
      [tcpQueueKey(0x84c4, 0x55b1), { leastBytes: 0x500, mostBytes: 0x5a0 }],
      [tcpQueueKey(0x84c7, 0x55b1), { leastBytes: 0x77, mostBytes: 0x77 }],
      [tcpQueueKey(40_000, 19_999), { leastBytes: 0, mostBytes: 0 }],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("this machine: bytes that a peer does not read are there, and go when it does", async () => {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data() {}, open: (socket) => void socket.pause() },
  });
  const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } });
  try {
    const key = tcpQueueKey(socket.localPort, socket.remotePort);
    const read = createTcpQueues("/proc/net");
    expect(read().get(key)).toEqual({ leastBytes: 0, mostBytes: 0 });
    const bytes = Buffer.alloc(1_000_000);
    while (socket.write(bytes) === bytes.length);
    expect(read().get(key)?.leastBytes).toBeGreaterThan(0);
  } finally {
    socket.terminate();
    server.stop(true);
  }
});
