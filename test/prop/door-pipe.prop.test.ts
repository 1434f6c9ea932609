import { expect, test } from "bun:test";
import fc from "fast-check";
import { Pipe } from "../../agent/door/pipe.ts";

const seed = Number(process.env["TRIBUTARY_SEED"] ?? 20_260_101);

test("whatever the kernel takes, the bytes arrive in order, once, and counted", () => {
  const step = fc.record({
    chunk: fc.string({ maxLength: 40 }),
    window: fc.integer({ min: -1, max: 50 }),
    drains: fc.nat(3),
  });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const pipe = new Pipe();
    let taken = "";
    let window = 0;
    const socket = {
      write(bytes: Uint8Array) {
        const count = Math.min(bytes.length, window);
        if (count > 0) taken += Buffer.from(bytes.subarray(0, count)).toString();
        return count;
      },
      shutdown() {},
      end() {},
      terminate() {},
      pause() {},
      resume() {},
    };
    let counted = 0;
    for (const { chunk, window: next, drains } of steps) {
      window = next;
      counted += pipe.write(socket, Buffer.from(chunk, "latin1"));
      for (let i = 0; i < drains; i++) counted += pipe.flush(socket);
    }
    expect(counted).toBe(Buffer.byteLength(taken));
    window = Number.POSITIVE_INFINITY;
    pipe.flush(socket);
    expect(pipe.isWaiting).toBe(false);
    expect(Buffer.from(taken)).toEqual(Buffer.from(steps.map(({ chunk }) => chunk).join(""), "latin1"));
  });
  fc.assert(property, { seed, numRuns: 500 });
});
