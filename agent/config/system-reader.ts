import { closeSync, openSync, readSync } from "node:fs";
import { errorCode } from "../base/errors.ts";
import type { ConfigEnvironment, ConfigReader } from "./load.ts";

/** Reads the machine's files. */
export const systemReader: ConfigReader = {
  read(path, bytesMax) {
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch (error) {
      if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
      throw error;
    }
    try {
      const bytes = new Uint8Array(bytesMax);
      let length = 0;
      while (length < bytesMax) {
        const count = readSync(fd, bytes, length, bytesMax - length, null);
        if (count === 0) break;
        length += count;
      }
      return bytes.subarray(0, length);
    } finally {
      closeSync(fd);
    }
  },
};

/** The environment of this process. */
export function systemEnvironment(): ConfigEnvironment {
  return { isRoot: process.getuid?.() === 0, variables: process.env };
}
