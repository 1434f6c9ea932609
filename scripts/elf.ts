/** What an ELF header says about where the program runs. */
export interface ElfHeader {
  machine: "x86-64" | "aarch64";
  /** Path of the loader the kernel starts it with, such as `/lib64/ld-linux-x86-64.so.2`. */
  interpreter: string;
}

const MACHINES: Record<number, ElfHeader["machine"]> = { 62: "x86-64", 183: "aarch64" };
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
/** `p_type` of the program header that holds the interpreter's path. */
const PT_INTERP = 3;

/**
 * Reads the header of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5).
 * ```
 * file header     0 magic 7f 'E' 'L' 'F'   4 class (2 = 64 bit)   5 data (1 = little endian)   18 u16 machine
 *                32 u64 offset of the program headers              54 u16 their size          56 u16 their count
 * program header  0 u32 type    8 u64 offset in the file    32 u64 bytes in the file
 * ```
 * @param bytes the start of the file, at least up to the end of the interpreter's path (4 KiB are plenty).
 * @throws Error naming what is wrong.
 */
export function readElfHeader(bytes: Uint8Array): ElfHeader {
  if (bytes.length < HEADER_BYTES) throw new Error(`ELF header cut short: ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, false) !== 0x7f454c46) throw new Error("not an ELF file");
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error("not a 64-bit little-endian ELF file");
  const machine = MACHINES[view.getUint16(18, true)];
  if (machine === undefined) throw new Error(`ELF machine ${view.getUint16(18, true)} is none of ours`);
  const start = Number(view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (size < PROGRAM_HEADER_BYTES || start + size * count > bytes.length)
    throw new Error("ELF program headers cut short");
  for (let at = start; at < start + size * count; at += size) {
    if (view.getUint32(at, true) !== PT_INTERP) continue;
    const offset = Number(view.getBigUint64(at + 8, true));
    const length = Number(view.getBigUint64(at + 32, true));
    if (offset + length > bytes.length) throw new Error("ELF interpreter cut short");
    // The path ends with a NUL byte, which is part of its length.
    return { machine, interpreter: new TextDecoder().decode(bytes.subarray(offset, offset + length - 1)) };
  }
  throw new Error("ELF file without an interpreter");
}
