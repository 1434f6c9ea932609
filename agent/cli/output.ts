import { writeSync } from "node:fs";
import { errorCode } from "../base/errors.ts";
import { EXIT } from "./exit.ts";

/** A full pipe is tried again after this time. */
const RETRY_MS = 5;

/** Writes a whole text to stdout: a pipe takes a long one in pieces, and the process may exit right after. */
export function print(text: string): void {
  writeAll(1, text);
}

/** Writes bytes to stdout; waits while the reader is slow. @returns false when it went away. */
export function printBytes(bytes: Uint8Array): boolean {
  return writeBytes(1, bytes);
}

/** Writes a line to stderr. */
export function printError(text: string): void {
  writeAll(2, `${text}\n`);
}

/**
 * Tells what is wrong with a command line. @param verb the verb it was meant for; left out when there is none.
 * @returns the exit code for it.
 */
export function usageError(problem: string, verb?: string): number {
  const help = verb === undefined ? '"tributary help" lists the verbs' : `"tributary help ${verb}" shows its use`;
  printError(`tributary: ${problem}; ${help}`);
  return EXIT.usage;
}

function writeAll(fd: number, text: string): void {
  // When the reader went away (`tributary licenses | head`), nobody is left to tell.
  writeBytes(fd, Buffer.from(text));
}

/** @returns false when the reader went away. */
function writeBytes(fd: number, bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      if (errorCode(error) === "EPIPE") return false;
      // Whoever gave us the pipe made it one that does not block.
      if (errorCode(error) !== "EAGAIN") throw error;
      Bun.sleepSync(RETRY_MS);
    }
  }
  return true;
}
