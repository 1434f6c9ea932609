import { AgentError, errorCode, errorText } from "./errors.ts";

/** What was tried, by the call of `Files` or `WritableFile` that tried it. */
const TRIED = {
  list: "list the directory",
  makeDirectory: "make the directory",
  syncDirectory: "flush the directory to the disk",
  read: "read",
  open: "open",
  size: "look up the size",
  create: "create",
  createExclusive: "create",
  append: "open for appending",
  map: "map into memory",
  rename: "rename",
  remove: "remove",
  sync: "flush to the disk",
  freeBytes: "look up the free space",
  overwrite: "write over a part",
  write: "write",
  flush: "flush to the disk",
  truncate: "truncate",
} as const;

/** Calls that can fail: the methods of `Files`; `write`, `flush` and `truncate` are those of `WritableFile`. */
export type FileCall = keyof typeof TRIED;

/** Reasons an operator meets; any other is told by its code. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EEXIST: "a file of that name exists",
  EINVAL: "not possible with this file",
  EIO: "the disk reports an error",
  EISDIR: "it is a directory",
  EMFILE: "too many open files in this process",
  ENFILE: "too many open files on this machine",
  ENOENT: "no such file or directory",
  ENOMEM: "no memory, or too many mappings",
  ENOSPC: "no space left on the disk",
  ENOTDIR: "a part of the path is not a directory",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
};

/** A file that has fewer bytes than it had when it was opened. @param bytes that it has now. */
export function shortFile(path: string, bytes: number): AgentError {
  return new AgentError("file_short", `${path}: it ends after ${bytes} bytes, it was longer when it was opened`);
}

/**
 * A failed call on a file, told to people: `/a/b: cannot write: no space left on the disk (ENOSPC)`.
 * @param detail what else belongs to the call, such as the new name; empty = nothing.
 * @returns an error of code `file_<errno in lower case>`, or `file_failed` when the cause has no errno.
 */
export function fileError(path: string, call: FileCall, cause: unknown, detail = ""): AgentError {
  const systemCode = errorCode(cause);
  const reason = REASONS[systemCode];
  let text = reason === undefined ? systemCode : `${reason} (${systemCode})`;
  if (systemCode === "") text = errorText(cause);
  const code = systemCode === "" ? "file_failed" : `file_${systemCode.toLowerCase()}`;
  return new AgentError(code, `${path}: cannot ${TRIED[call]}${detail}: ${text}`, { cause });
}
