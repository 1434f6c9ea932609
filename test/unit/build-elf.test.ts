import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readSync } from "node:fs";
import { readElfHeader } from "../../scripts/elf.ts";

const INTERPRETER_AT = 64 + 2 * 56;

/** A header written after the System V ABI: one PT_LOAD, then PT_INTERP, then the path. */
function elf(machine: number, interpreter: string): Uint8Array {
  const path = new TextEncoder().encode(`${interpreter}\0`);
  const bytes = new Uint8Array(INTERPRETER_AT + path.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true); // program headers follow the file header
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(64 + 56, 3, true); // PT_INTERP
  view.setBigUint64(64 + 56 + 8, BigInt(INTERPRETER_AT), true);
  view.setBigUint64(64 + 56 + 32, BigInt(path.length), true);
  bytes.set(path, INTERPRETER_AT);
  return bytes;
}

function changed(at: number, value: number): Uint8Array {
  const bytes = elf(62, "/lib/ld.so");
  bytes[at] = value;
  return bytes;
}

describe("readElfHeader", () => {
  test.each([
    { code: 62, machine: "x86-64", interpreter: "/lib64/ld-linux-x86-64.so.2" },
    { code: 183, machine: "aarch64", interpreter: "/lib/ld-musl-aarch64.so.1" },
  ] as const)("$machine $interpreter", ({ code, machine, interpreter }) => {
    expect(readElfHeader(elf(code, interpreter))).toEqual({ machine, interpreter });
  });

  test("in the middle of a larger buffer", () => {
    const file = elf(62, "/lib/ld.so");
    const larger = new Uint8Array(file.length + 100);
    larger.set(file, 50);
    expect(readElfHeader(larger.subarray(50, 50 + file.length)).interpreter).toBe("/lib/ld.so");
  });

  test.each([
    { what: "an empty file", bytes: new Uint8Array(0), says: "cut short" },
    { what: "a script", bytes: new TextEncoder().encode(`#!/bin/sh\n${" ".repeat(64)}`), says: "not an ELF file" },
    { what: "32 bit", bytes: changed(4, 1), says: "64-bit little-endian" },
    { what: "big endian", bytes: changed(5, 2), says: "64-bit little-endian" },
    { what: "another machine", bytes: changed(18, 40), says: "machine 40" },
    { what: "a static program", bytes: changed(64 + 56, 2), says: "without an interpreter" },
    { what: "headers beyond the end", bytes: changed(56, 200), says: "program headers cut short" },
    { what: "a path beyond the end", bytes: elf(62, "/lib/ld.so").subarray(0, -1), says: "interpreter cut short" },
  ])("refuses $what", ({ bytes, says }) => expect(() => readElfHeader(bytes)).toThrow(says));

  test("the running Bun is for this machine", () => {
    const head = new Uint8Array(4096);
    const fd = openSync(process.execPath, "r");
    readSync(fd, head);
    closeSync(fd);
    expect(readElfHeader(head).machine).toBe(process.arch === "arm64" ? "aarch64" : "x86-64");
  });
});
