import type { FilesystemSize } from "../../base/proc-file.ts";
import type { ChartMeta, CollectorContext } from "../collector.ts";
import { absolute, type ChartSpec, LazyChart } from "../lazy-chart.ts";
import type { Mount } from "./mount-table.ts";

const BYTES_PER_GIB = 1_073_741_824;

/** The two charts of one mount point. */
export class MountSpace {
  readonly mountPoint: string;
  /** Its file system may hang or is slow: measured by the probe, not here. */
  isProbed: boolean;
  /** Direct measurements in a row that took too long. */
  slowCount = 0;
  /** Cycles since it was last in the mount table; 0 = mounted. */
  missingCycles = 0;
  private readonly context: CollectorContext;
  /** Second part of the chart ids. */
  readonly id: string;
  private readonly labels: Readonly<Record<string, string>>;
  private space: LazyChart | undefined;
  private readonly inodes: LazyChart;
  private last: FilesystemSize | undefined;
  private isElastic = false;

  /** @param id second part of the chart ids, unique among the mounts. */
  constructor(context: CollectorContext, mount: Mount, id: string, isProbed: boolean) {
    this.context = context;
    this.mountPoint = mount.mountPoint;
    this.id = id;
    this.isProbed = isProbed;
    this.labels = { mount_point: mount.mountPoint, filesystem: mount.filesystem, mount_root: mount.root };
    this.inodes = new LazyChart(context, this.inodesSpec());
  }

  /**
   * Whether the size changed although it never did before: another file system may be seen here now. File systems that
   * grow and shrink by themselves (ZFS, tmpfs being resized) are found out once and not suspected again.
   */
  isSuspicious(size: FilesystemSize): boolean {
    const { last } = this;
    if (last === undefined || this.isElastic) return false;
    this.isElastic = size.blocks !== last.blocks || size.blockBytes !== last.blockBytes;
    return this.isElastic;
  }

  commit(size: FilesystemSize, nowUs: number): void {
    if (this.space === undefined || this.last?.blockBytes !== size.blockBytes) {
      this.space?.retire();
      this.space = new LazyChart(this.context, this.spaceSpec(size.blockBytes));
    }
    this.last = size;
    // Pseudo file systems have no blocks, some (btrfs) have no fixed number of inodes.
    if (size.blocks > 0) {
      this.space.set(0, size.blocksAvailable);
      this.space.set(1, size.blocks - size.blocksFree);
      this.space.set(2, size.blocksFree - size.blocksAvailable);
      this.space.commit(nowUs);
    }
    if (size.files > 0) {
      this.inodes.set(0, size.filesFree);
      this.inodes.set(1, size.files - size.filesFree);
      this.inodes.set(2, 0);
      this.inodes.commit(nowUs);
    }
  }

  retire(): void {
    this.space?.retire();
    this.inodes.retire();
  }

  private spaceSpec(blockBytes: number): ChartSpec {
    const dimension = (id: string, name?: string) =>
      absolute(id, blockBytes, BYTES_PER_GIB, name === undefined ? undefined : { name });
    return {
      id: `disk_space.${this.id}`,
      type: "stacked",
      rule: "auto",
      meta: this.meta("Disk Space Usage", "GiB", "disk.space", 2023),
      dimensions: [dimension("avail"), dimension("used"), dimension("reserved_for_root", "reserved for root")],
    };
  }

  private inodesSpec(): ChartSpec {
    const reserved = absolute("reserved_for_root", 1, 1, { name: "reserved for root" });
    return {
      id: `disk_inodes.${this.id}`,
      type: "stacked",
      rule: "auto",
      meta: this.meta("Disk Files (inodes) Usage", "inodes", "disk.inodes", 2024),
      dimensions: [absolute("avail"), absolute("used"), reserved],
    };
  }

  private meta(title: string, units: string, context: string, priority: number): ChartMeta {
    return { title, units, family: this.mountPoint, context, priority, module: "", labels: this.labels };
  }
}
