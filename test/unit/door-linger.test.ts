import { expect, test } from "bun:test";
import { Linger } from "../../agent/door/linger.ts";

/** A socket that tells its owner of the close, as a real one does. */
function socketOf(linger: Linger) {
  const calls: string[] = [];
  const socket = {
    write: () => -1,
    shutdown: () => void calls.push("shutdown"),
    resume: () => void calls.push("resume"),
    pause: () => void calls.push("pause"),
    terminate: () => void calls.push("terminate"),
    end() {
      calls.push("end");
      linger.close(socket);
    },
  };
  return { calls, socket };
}

test("sends FIN, reads on, and closes with the peer", () => {
  const linger = new Linger();
  const { calls, socket } = socketOf(linger);
  linger.begin(socket, 0);
  linger.data();
  linger.drain();
  expect([calls, linger.size]).toEqual([["shutdown", "resume"], 1]);
  linger.end(socket);
  expect([calls.at(-1), linger.size]).toEqual(["end", 0]);
});

test("gives each peer 5 s", () => {
  const linger = new Linger();
  const [first, second] = [socketOf(linger), socketOf(linger)];
  linger.begin(first.socket, 0);
  linger.begin(second.socket, 1000);
  linger.sweep(4999);
  expect(linger.size).toBe(2);
  linger.sweep(5000);
  expect([first.calls.at(-1), second.calls.at(-1), linger.size]).toEqual(["end", "resume", 1]);
});
