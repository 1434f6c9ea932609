import { AgentError, errorCode } from "./errors.ts";

/**
 * Why a source of the machine (a file of /proc or /sys) gave nothing:
 * `source_missing` not there · `source_denied` not ours to read · `source_unsupported` the kernel has it switched
 * off · `source_empty` nothing in it · `source_format` not understood · `source_read` any other failure.
 */
export type SourceErrorCode =
  | "source_missing"
  | "source_denied"
  | "source_unsupported"
  | "source_empty"
  | "source_format"
  | "source_read";

/** A source of the machine that cannot be used now. */
export class SourceError extends AgentError {
  override readonly name = "SourceError";
  override readonly code: SourceErrorCode;

  /** @param message the path, then what is wrong with it. */
  constructor(code: SourceErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
    this.code = code;
  }
}

/** Most bytes of a misunderstood line that go into a message. */
const SHOWN_BYTES_MAX = 80;

/** A line that is not what it should be, with its first 80 bytes. */
export function formatError(path: string, expected: string, bytes: Buffer, start: number, end: number): SourceError {
  const shown = bytes.toString("latin1", start, Math.min(end, start + SHOWN_BYTES_MAX));
  return new SourceError("source_format", `${path}: expected ${expected}, found ${JSON.stringify(shown)}`);
}

/** Turns a failed system call on `path` into a {@link SourceError}; one that is already typed stays as it is. */
export function toSourceError(path: string, error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const systemCode = errorCode(error);
  return new SourceError(sourceErrorCode(systemCode), `${path}: ${systemCode === "" ? String(error) : systemCode}`, {
    cause: error,
  });
}

function sourceErrorCode(systemCode: string): SourceErrorCode {
  switch (systemCode) {
    case "ENOENT":
    case "ENOTDIR":
    case "ENODEV":
    case "ENXIO":
      return "source_missing";
    case "EACCES":
    case "EPERM":
      return "source_denied";
    case "EOPNOTSUPP":
    case "ENOTSUP":
      return "source_unsupported";
    default:
      return "source_read";
  }
}
