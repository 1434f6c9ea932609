import { join } from "node:path";
import { CATALOGUE_FILE, type DirectoryShare } from "./directory-share.ts";
import { segmentNumber } from "./segment-file.ts";

/** Segments whose catalogue is gone: the charts of the next one must not find themselves in them. */
export function setAsideSegments(path: string, share: DirectoryShare): void {
  for (const name of share.files.list(path)) {
    if (isLeftover(name)) share.files.remove(join(path, name));
    else if (segmentNumber(name) >= 0) setAside(join(path, name), "there is no catalogue for it", share);
  }
}

/** A file that a run which was killed was writing: what it was to replace is there still. */
export function isLeftover(name: string): boolean {
  const wanted = name.endsWith(".tmp") ? name.slice(0, -4) : "";
  return wanted === CATALOGUE_FILE || segmentNumber(wanted) >= 0;
}

/** A file in the place of a new segment is one that could not be opened: perhaps it can be another day. */
export function setAsideStranger(path: string, share: DirectoryShare): void {
  if (share.files.size(path) !== null) setAside(path, "it could not be used, and its place is needed", share);
}

/** Renames a file that cannot be used, and tells it. It is never deleted. */
export function setAside(path: string, problem: string, { files, nowSec, events, io }: DirectoryShare): void {
  let second = Math.floor(nowSec());
  while (files.size(`${path}.bad-${second}`) !== null) second++;
  const movedTo = `${path}.bad-${second}`;
  files.rename(path, movedTo);
  io.filesSetAside++;
  events.setAside(path, movedTo, problem);
}
