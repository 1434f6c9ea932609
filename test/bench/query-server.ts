import { createSystemClock } from "../../agent/base/clock.ts";
import { silentLog } from "../../agent/base/log.ts";
import { openDoor } from "../../agent/door/door.ts";
import { newApi } from "../http-fixture.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";
import { queryLoad } from "./query-load.ts";

// The agent's door, bridge and HTTP API, with an hour of points in the ring: an agent takes no points of the past from
// a stream. bun query-server.ts FROM_SEC, prints its port, ends with its input.
const database = newDatabase();
storeChart(addHost(database, "bench", "1", { isLocal: true }), queryLoad(Number(process.argv[2])));
const clock = createSystemClock();
const door = await openDoor({
  addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
  words: new Map(),
  http: newApi(database, clock).handle,
  isAllowed: () => true,
  idleMs: 60_000,
  clock,
  log: silentLog,
});
const [address] = door.addresses;
process.stdout.write(`${address?.kind === "tcp" ? address.port : 0}\n`);
for await (const _ of process.stdin);
process.exit(0);
