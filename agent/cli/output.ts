import { writeSync } from "node:fs";
import { EXIT } from "./exit.ts";

/** Writes a whole text to stdout: a pipe takes a long one in pieces, and the process may exit right after. */
export function print(text: string): void {
  writeAll(1, text);
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
  const bytes = Buffer.from(text);
  let offset = 0;
  try {
    while (offset < bytes.length) offset += writeSync(fd, bytes, offset);
  } catch (error) {
    // The reader went away (`tributary licenses | head`): nobody is left to tell.
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}
