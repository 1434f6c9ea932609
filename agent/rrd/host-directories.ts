import type { DefinitionJournal } from "./definition-journal.ts";
import type { Host } from "./host.ts";
import type { HostOptions } from "./host-options.ts";
import type { SegmentStore } from "./store/segment-store.ts";

/** The files of one host, as the database sees them. */
export interface HostStore extends SegmentStore, DefinitionJournal {
  /** Tells it whose files they are: before anything else. */
  attach(host: Host): void;
}

/** Gives hosts in modes `save` and `map` their files. */
export interface HostDirectories {
  /** @returns null for a host that has none. Never throws: a host without its files goes on in memory. */
  open(options: HostOptions): HostStore | null;
}
