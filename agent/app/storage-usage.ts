import type { HostFiles } from "../base/proc-file.ts";
import { SourceError } from "../base/source-error.ts";
import type { StorageUsage } from "../collector/agent-sources.ts";
import type { Storage } from "../rrd/store/storage.ts";

/**
 * What the database's files cost. The kernel's account of this process counts every page that a store into a mapping
 * makes dirty; without it (an old kernel, a locked /proc) only what was written by calls is known.
 */
export function createStorageUsage(
  openStorage: () => Storage | null,
  files: Pick<HostFiles, "openProc">,
): () => StorageUsage | undefined {
  let io: ReturnType<typeof files.openProc> | null = null;
  return () => {
    const storage = openStorage();
    if (storage === null) return undefined;
    let dirtiedBytes = 0;
    try {
      io ??= files.openProc("self/io");
      const text = io.bytes.toString("latin1", 0, io.read());
      dirtiedBytes = Number(/^write_bytes: (\d+)$/m.exec(text)?.[1] ?? 0);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
    }
    return { dirtiedBytes, writtenBytes: storage.counters.bytesWritten };
  };
}
