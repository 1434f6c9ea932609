import type { HostFiles } from "../../base/proc-file.ts";

/** One line of mountinfo. */
export interface Mount {
  /** `major:minor` of the device. */
  readonly device: string;
  /** The directory of the file system that is mounted here; `/` unless it is a bind mount or a subvolume. */
  readonly root: string;
  readonly mountPoint: string;
  readonly filesystem: string;
  /** Where it comes from: a device, `host:/path`, or a word. */
  readonly source: string;
  /** Options of this mount and of the file system. */
  readonly options: readonly string[];
}

/** More mounts than even a large container node has; a bound for a damaged file. */
const MOUNTS_MAX = 20_000;

/**
 * The mounts of the host, in mount order. Not for every second: it makes strings.
 * @throws SourceError
 */
export function readMounts(files: HostFiles): Mount[] {
  // Below a prefix `self` is this process, in its own mount namespace; the host's own view is that of process 1.
  const path = files.prefix !== "" && files.exists("/proc/1/mountinfo") ? "1/mountinfo" : "self/mountinfo";
  using file = files.openProc(path);
  const length = file.readSome();
  const mounts: Mount[] = [];
  for (const line of file.bytes.toString("utf8", 0, length).split("\n", MOUNTS_MAX)) {
    const mount = parseMount(line);
    if (mount !== undefined) mounts.push(mount);
  }
  return mounts;
}

/** `id parent major:minor root mountpoint options [tags…] - filesystem source options`; else undefined. */
function parseMount(line: string): Mount | undefined {
  const separator = line.indexOf(" - ");
  if (separator < 0) return undefined;
  const [, , device, root, mountPoint, options] = line.slice(0, separator).split(" ");
  const [filesystem, source, superOptions] = line.slice(separator + 3).split(" ");
  if (!device || !root || !mountPoint || options === undefined || !filesystem) return undefined;
  return {
    device,
    root: decodeOctal(root),
    mountPoint: decodeOctal(mountPoint),
    filesystem,
    source: decodeOctal(source ?? ""),
    options: [...options.split(","), ...(superOptions ?? "").split(",")].filter((option) => option !== ""),
  };
}

/** The kernel writes blank, tab, newline and backslash as `\ooo`. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Where each device is mounted, by `major:minor`: its first whole mount, else its first mount of any part. */
export function mountPointsByDevice(mounts: readonly Mount[]): Map<string, string> {
  const whole = new Map<string, string>();
  const any = new Map<string, string>();
  for (const { device, root, mountPoint } of mounts) {
    if (root === "/" && !whole.has(device)) whole.set(device, mountPoint);
    if (!any.has(device)) any.set(device, mountPoint);
  }
  for (const [device, mountPoint] of any) if (!whole.has(device)) whole.set(device, mountPoint);
  return whole;
}
