import type { FilesystemSize } from "../../base/proc-file.ts";
import { SourceError } from "../../base/source-error.ts";
import type { Collector, CollectorContext, CollectorModule } from "../collector.ts";
import { VANISHED_CYCLES } from "../row-cache.ts";
import { FilesystemProbe, type ProbeWorkerFactory } from "../sys/filesystem-probe.ts";
import { MountSpace } from "./mount-space.ts";
import { type Mount, readMounts } from "./mount-table.ts";

/** Mounts are looked at again after this time. */
const MOUNTS_EVERY_MS = 15_000;
/** Mounts followed; a full container node has a few hundred that are not excluded. */
const MOUNTS_MAX = 2048;
/** A direct measurement that takes longer than this, for each second of the interval, was slow. */
const SLOW_MS_PER_SEC = 10;
/** So often in a row, so that one busy moment does not cost a thread. */
const SLOW_COUNT_MAX = 3;

/** Types that hold no files of their own, or must not be touched. */
const PSEUDO_TYPES: ReadonlySet<string> = new Set(
  "autofs proc subfs debugfs devpts fusectl mqueue rpc_pipefs sysfs devfs kernfs ignore none".split(" "),
);
/** Types that ask another machine or another process, and may therefore never answer. */
const REMOTE_TYPES: ReadonlySet<string> = new Set(
  "nfs nfs4 cifs smb3 smbfs ncpfs 9p ceph afs lustre coda fuse fuseblk ocfs2 gfs2 beegfs orangefs".split(" "),
);

/** Simple patterns of the file system types left out when the configuration says nothing. */
export const FILESYSTEM_EXCLUDE_DEFAULT =
  "*gvfs *gluster* *s3fs *ipfs *davfs2 *httpfs *sshfs *gdfs *moosefs fusectl autofs";

/** Space and inodes of each mounted file system. */
export const diskspace: CollectorModule = {
  name: "diskspace",
  everySecMin: 1,
  excludeDefault: "/proc/* /sys/* /var/run/user/* /run/user/* /snap/* /var/lib/docker/*",
  start: (context) => startDiskspace(context),
};

/** @param createWorker left out: real threads. */
export function startDiskspace(context: CollectorContext, createWorker?: ProbeWorkerFactory): Collector {
  return new Diskspace(context, new FilesystemProbe(context.clock, context.log, createWorker));
}

class Diskspace implements Collector {
  private readonly context: CollectorContext;
  private readonly probe: FilesystemProbe;
  private readonly spaces = new Map<string, MountSpace>();
  private readonly ids = new Set<string>();
  private mountsAtMs = Number.NEGATIVE_INFINITY;
  private isFull = false;

  constructor(context: CollectorContext, probe: FilesystemProbe) {
    this.context = context;
    this.probe = probe;
    this.refresh();
  }

  collect(nowUs: number): void {
    if (this.context.clock.monotonicMs() - this.mountsAtMs >= MOUNTS_EVERY_MS) this.refresh();
    this.probe.poll();
    for (const space of this.spaces.values()) {
      if (space.missingCycles > 0) this.countMissing(space);
      else this.collectMount(space, nowUs);
    }
  }

  [Symbol.dispose](): void {
    this.probe[Symbol.dispose]();
  }

  private collectMount(space: MountSpace, nowUs: number): void {
    const { prefix } = this.context.files;
    const size = space.isProbed ? this.probe.latest(prefix + space.mountPoint) : this.measure(space);
    if (size === undefined) return;
    // Another size may mean that it was unmounted and the directory below is what was measured.
    if (space.isSuspicious(size)) this.refresh();
    if (space.missingCycles === 0) space.commit(size, nowUs);
  }

  private measure(space: MountSpace): FilesystemSize | undefined {
    const { clock, files, log, updateEverySec } = this.context;
    const startMs = clock.monotonicMs();
    let size: FilesystemSize | undefined;
    try {
      size = files.measureFilesystem(space.mountPoint);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      log.debug("collector.mount_unreadable", { path: space.mountPoint, reason: error.message });
      this.mountsAtMs = Number.NEGATIVE_INFINITY; // most likely it is gone
    }
    const isSlow = clock.monotonicMs() - startMs > SLOW_MS_PER_SEC * updateEverySec;
    space.slowCount = isSlow ? space.slowCount + 1 : 0;
    if (space.slowCount >= SLOW_COUNT_MAX) {
      space.isProbed = true;
      this.followProbed();
      log.info("collector.mount_slow", { path: space.mountPoint });
    }
    return size;
  }

  private countMissing(space: MountSpace): void {
    if (++space.missingCycles <= VANISHED_CYCLES) return;
    space.retire();
    this.spaces.delete(space.mountPoint);
    this.ids.delete(space.id);
  }

  /** Reads the mount table again. @throws SourceError */
  private refresh(): void {
    this.mountsAtMs = this.context.clock.monotonicMs();
    const mounts = this.wantedMounts();
    for (const space of this.spaces.values()) if (!mounts.has(space.mountPoint)) space.missingCycles ||= 1;
    for (const mount of mounts.values()) {
      const space = this.spaces.get(mount.mountPoint);
      const isProbed = isRemote(mount, mounts);
      if (space === undefined) {
        this.add(mount, isProbed);
        continue;
      }
      space.missingCycles = 0;
      space.isProbed ||= isProbed; // a remote file system may have been mounted over a local one
    }
    this.followProbed();
  }

  private add(mount: Mount, isProbed: boolean): void {
    const { files, log, settings } = this.context;
    const { mountPoint, filesystem } = mount;
    if (PSEUDO_TYPES.has(filesystem) || settings.isFilesystemExcluded(filesystem) || settings.isExcluded(mountPoint)) {
      return;
    }
    if (mount.options.includes("bind") || mount.options.includes("ro")) return;
    // A file can be mounted on a file (containers do it with /etc/hosts); asking a remote one here could hang.
    if (!isProbed && !files.isDirectory(mountPoint)) return;
    if (this.spaces.size >= MOUNTS_MAX) {
      if (!this.isFull) log.warn("collector.objects_left_out", { what: "mounts", limit: MOUNTS_MAX });
      this.isFull = true;
      return;
    }
    const id = this.uniqueId(mountPoint);
    this.ids.add(id);
    this.spaces.set(mountPoint, new MountSpace(this.context, mount, id, isProbed));
  }

  /** `/dev/shm` → `_dev_shm`; two mount points that would share an id are told apart by a number. */
  private uniqueId(mountPoint: string): string {
    const id = mountPoint.replaceAll(/[^A-Za-z0-9_-]/g, "_");
    let unique = id;
    for (let number = 2; this.ids.has(unique); number++) unique = `${id}_${number}`;
    return unique;
  }

  /** By mount point; of several mounts on one directory the last is the one that is seen. */
  private wantedMounts(): Map<string, Mount> {
    return new Map(readMounts(this.context.files).map((mount) => [mount.mountPoint, mount]));
  }

  private followProbed(): void {
    const { prefix } = this.context.files;
    const probed = [...this.spaces.values()].filter((space) => space.isProbed && space.missingCycles === 0);
    this.probe.follow(probed.map(({ mountPoint }) => prefix + mountPoint));
  }
}

/** Remote itself, or below a remote mount: even looking its path up can hang. */
function isRemote(mount: Mount, mounts: ReadonlyMap<string, Mount>): boolean {
  if (isRemoteType(mount.filesystem)) return true;
  for (let end = mount.mountPoint.lastIndexOf("/"); end > 0; end = mount.mountPoint.lastIndexOf("/", end - 1)) {
    const above = mounts.get(mount.mountPoint.slice(0, end));
    if (above !== undefined && isRemoteType(above.filesystem)) return true;
  }
  return false;
}

function isRemoteType(type: string): boolean {
  return REMOTE_TYPES.has(type) || type.startsWith("fuse.");
}
