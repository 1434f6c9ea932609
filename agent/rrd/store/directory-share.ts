import type { Files } from "../../base/files.ts";
import type { ByteBudget } from "../byte-budget.ts";
import type { MemoryStore } from "./segment-store.ts";

export const CATALOGUE_FILE = "catalog.jsonl";

/** What the directories of all hosts share. */
export interface DirectoryShare {
  readonly files: Files;
  /** Segments without a file: those of mode `save`, and those that could not get one. */
  readonly memory: MemoryStore;
  readonly disk: ByteBudget;
  /** Checksum of the boot id of this machine. */
  readonly bootCrc: number;
  readonly nowSec: () => number;
  /** Told when a host cannot use its files, with the reason, and when it can again (empty). */
  readonly degraded: (directory: { readonly hostname: string; readonly path: string }, problem: string) => void;
  readonly events: RestoreEvents;
  readonly io: StorageCounters;
}

/** What the files cost, since the start. */
export interface StorageCounters {
  /** Files mapped now. */
  mappings: number;
  /** Bytes written to files by calls: new segments, blocks emptied, catalogues, saves. */
  bytesWritten: number;
  /** Hosts that run in memory because their files cannot be used. */
  degradedHosts: number;
  /** Files that were set aside since the start. */
  filesSetAside: number;
}

/** What happens to files that cannot be used, and to what cannot be put into them. */
export interface RestoreEvents {
  /** A file was renamed, because it is damaged, foreign or newer. */
  setAside(path: string, movedTo: string, problem: string): void;
  /** Lines of the catalogue, or blocks, were left out. */
  leftOut(path: string, what: string): void;
  /**
   * Something in a block of a segment file is damaged and reads as empty.
   * @param startSec its first second, 0 = not known. @param lostSec seconds that it covers.
   * @param tiles how many of its tiles are: values of a dimension, or flags of a chart.
   */
  corrupt(path: string, startSec: number, lostSec: number, tiles: number): void;
  /** The files of a host that leaves, or of an agent that ends, could not be written: what they lack is lost. */
  unsaved(hostname: string, directory: string, problem: string): void;
}
