import type { Clock } from "../base/clock.ts";
import type { Dial } from "../base/dial.ts";
import { silentLog } from "../base/log.ts";
import type { StreamSocket } from "../base/stream-socket.ts";
import { Pushers } from "../pusher/pushers.ts";
import type { RehearsalLink } from "../receiver/rehearsal.ts";
import type { Host } from "../rrd/host.ts";
import { PROMPT_V1 } from "../wire/answers.ts";

/** Takes every byte and does nothing with it. */
const SWALLOWING: StreamSocket = {
  write: (bytes, offset = 0, length = bytes.length - offset) => length,
  shutdown() {},
  end() {},
  terminate() {},
  pause() {},
  resume() {},
};

/** A rehearsal must never hold up a start. */
const CONNECT_MS_MAX = 1000;

/** Streams a rehearsed host on with the very code that streams real ones, to a parent that is not there. */
export function attachRehearsalLink(host: Host, clock: Clock): RehearsalLink {
  const connected = Promise.withResolvers<void>();
  const dial: Dial = (_destination, owner) => {
    const opened = Promise.resolve(SWALLOWING);
    // A turn later than the link has the socket: only then may the answer come.
    void opened
      .then(() => {})
      .then(() => {
        owner.data(SWALLOWING, Buffer.from(PROMPT_V1));
        connected.resolve();
      });
    return opened;
  };
  const self = { machineGuid: "", hostname: () => "" };
  const pushers = new Pushers({ clock, random: () => 0, dial, log: silentLog, program: "", version: "", self });
  pushers.attach(host, {
    destinations: ["127.0.0.1:1"],
    defaultPort: 1,
    apiKey: host.machineGuid,
    timeoutSec: 60,
    bufferSizeBytes: 1_048_576,
    reconnectDelaySec: 60,
    initialClockResyncIterations: 2,
    returnAfterSec: 0,
    isReplicating: false,
    confirmsEnd: false,
    expectsValues: false,
    sendChartsMatching: "*",
  });
  return {
    flush: () => pushers.flushAll(),
    connected() {
      const late = clock.setTimer(CONNECT_MS_MAX, connected.resolve);
      return connected.promise.finally(() => late[Symbol.dispose]());
    },
    [Symbol.dispose]: () => pushers.detach(host),
  };
}
