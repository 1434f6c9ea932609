import { describe, expect, test } from "bun:test";
import { SendBuffer } from "../../agent/base/send-buffer.ts";

/** A socket that takes so many bytes a write, −1 = it is closed. */
function socketTaking(...amounts: number[]) {
  let text = "";
  const write = (bytes: Uint8Array, offset = 0, length = bytes.length) => {
    const taken = Math.min(length, amounts.shift() ?? length);
    if (taken > 0) text += Buffer.from(bytes).toString("latin1", offset, offset + taken);
    return taken;
  };
  return { write, taken: () => text };
}

describe("SendBuffer", () => {
  test.each([
    { amounts: [3], flushes: ["blocked", "empty"] },
    { amounts: [0, 1, 0, 4], flushes: ["blocked", "blocked", "blocked", "blocked", "empty"] },
    { amounts: [5, 2], flushes: ["blocked", "blocked", "empty"] },
    { amounts: [-1], flushes: ["closed"] },
    { amounts: [4, -1], flushes: ["blocked", "closed"] },
    { amounts: [], flushes: ["empty", "empty"] },
  ])("a kernel that takes $amounts bytes", ({ amounts, flushes }) => {
    const buffer = new SendBuffer(1000);
    const socket = socketTaking(...amounts);
    expect(buffer.append(Buffer.from("0123456789"))).toBe(true);
    expect(flushes.map((): string => buffer.flush(socket))).toEqual([...flushes]);
    expect(socket.taken()).toBe("0123456789".slice(0, buffer.takenBytes));
    expect(buffer.takenBytes + buffer.pendingBytes).toBe(10);
  });

  test("order and counts hold through growth, partial writes and moves to the front", () => {
    const buffer = new SendBuffer(20_000);
    let sent = "";
    let got = "";
    for (let round = 0; round < 5000; round++) {
      const piece = `${round};`.repeat(1 + (round % 7));
      expect(buffer.append(Buffer.from(piece))).toBe(true);
      sent += piece;
      const socket = socketTaking(round % 11 === 0 ? 400 : round % 37);
      buffer.flush(socket);
      got += socket.taken();
      expect(buffer.appendedBytes).toBe(sent.length);
      expect(buffer.takenBytes).toBe(got.length);
    }
    const rest = socketTaking();
    expect(buffer.flush(rest)).toBe("empty");
    expect(got + rest.taken()).toBe(sent);
    expect(buffer.capacityBytes).toBeLessThanOrEqual(25_000);
  });

  test("the limit counts pending bytes; only an empty buffer takes a piece above it", () => {
    const buffer = new SendBuffer(100);
    expect(buffer.append(Buffer.alloc(60))).toBe(true);
    expect(buffer.append(Buffer.alloc(41))).toBe(false);
    expect(buffer.pendingBytes).toBe(60);
    buffer.flush(socketTaking(20));
    expect(buffer.append(Buffer.alloc(60))).toBe(true);
    expect(buffer.reserve(1)).toBe(false);
    buffer.clear();
    expect([buffer.pendingBytes, buffer.appendedBytes, buffer.takenBytes]).toEqual([0, 0, 0]);
    expect(buffer.append(Buffer.alloc(300))).toBe(true);
    expect(buffer.reserve(1)).toBe(false);
    buffer.setLimit(400);
    expect(buffer.reserve(100)).toBe(true);
  });

  test("room for eight bytes more than reserved, always", () => {
    const buffer = new SendBuffer(1e6);
    for (let n = 0; n < 3000; n++) {
      expect(buffer.reserve(n)).toBe(true);
      expect(buffer.tail + n + 8).toBeLessThanOrEqual(buffer.view.byteLength);
      buffer.tail += Math.min(n, 97);
    }
  });

  test("memory that a burst needed is given back after a quiet time, not before", () => {
    const buffer = new SendBuffer(4e6);
    expect(buffer.capacityBytes).toBe(0);
    buffer.append(Buffer.alloc(1_000_000));
    buffer.relax();
    expect(buffer.capacityBytes).toBeGreaterThan(1_000_000);
    buffer.flush(socketTaking());
    buffer.relax();
    expect(buffer.capacityBytes).toBeGreaterThan(1_000_000);
    buffer.append(Buffer.alloc(100));
    buffer.flush(socketTaking());
    buffer.relax();
    expect(buffer.capacityBytes).toBe(8192);
    expect(buffer.append(Buffer.from("x"))).toBe(true);
  });
});
