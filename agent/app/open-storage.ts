import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { createFiles, type Files } from "../base/files.ts";
import type { Log } from "../base/log.ts";
import type { ProcessFacts } from "../base/process-facts.ts";
import { childSettings } from "../config/child-settings.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../rrd/database.ts";
import { Storage } from "../rrd/store/storage.ts";

/** What {@link openStorage} runs in; a simulation gives files of its own. */
export interface StorageWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly files?: Files | undefined;
  readonly processes: ProcessFacts;
}

/**
 * The files of the database, in `<state_dir>/db`; null when no host of this configuration can have any.
 * @throws AgentError `database_in_use`
 */
export function openStorage(config: Config, database: Database, world: StorageWorld): Storage | null {
  const { clock, log, files, processes } = world;
  if (!usesFiles(config)) return null;
  return new Storage({
    directory: join(config.agent.state_dir, "db"),
    files: files ?? createFiles(),
    database,
    diskLimitBytes: config.db.disk_limit_bytes,
    flushEverySec: config.db.flush_every,
    saveEverySec: config.db.save_every,
    processes,
    nowSec: () => clock.nowUs() / 1e6,
    events: {
      setAside: (path, movedTo, problem) => log.error("rrd.file_set_aside", { path, moved_to: movedTo, problem }),
      leftOut: (path, what) => log.warn("rrd.file_incomplete", { path, what }),
      degraded: (host, path, problem) => {
        const text = "the host goes on in memory; tried again every 60 s";
        log.error("rrd.files_unusable", { host, path, problem, text });
      },
      corrupt: (path, startSec, lostSec, tiles) => {
        const from = startSec === 0 ? "unknown" : new Date(startSec * 1000).toISOString();
        const text = 'what is damaged reads as empty, all else is used; "tributary db verify" names it';
        log.error("rrd.block_corrupt", { path, from, lost_seconds: lostSec, tiles, text });
      },
      unsaved: (host, path, problem) => {
        const text = "what its files do not hold yet is lost";
        log.error("rrd.host_unsaved", { host, path, problem, text });
      },
      recovered: (host, path) => log.info("rrd.files_usable", { host, path }),
    },
  });
}

function usesFiles(config: Config): boolean {
  const modes = [
    config.db.mode,
    ...Object.keys(config.api_key).map((key) => childSettings(config, key, "").memoryMode),
    ...Object.values(config.machine).map((machine) => machine.memory_mode ?? config.db.mode),
  ];
  return modes.some((mode) => mode === "save" || mode === "map");
}
