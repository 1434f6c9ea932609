import { AgentError, errorText } from "../../base/errors.ts";
import type { ByteBudget } from "../byte-budget.ts";
import type { DirectoryShare } from "./directory-share.ts";

/** Whether the files of one host can be used, and who is told when that changes. */
export class FilesTrouble {
  /** Why they cannot be used now; empty = they can. */
  problem = "";
  private isLeft = false;
  private hasToldLoss = false;
  private readonly share: DirectoryShare;
  private readonly directory: { readonly hostname: string; readonly path: string };

  constructor(share: DirectoryShare, directory: { readonly hostname: string; readonly path: string }) {
    this.share = share;
    this.directory = directory;
  }

  /** Does something with files; a failure makes the host go on without them. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  async guardAsync(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The host leaves: what fails from now on is not tried again. */
  leave(): void {
    if (this.problem !== "" && !this.isLeft) this.share.io.degradedHosts--;
    this.isLeft = true;
  }

  /** Everything is where it belongs again. */
  recovered(): void {
    if (this.problem === "") return;
    this.problem = "";
    if (this.isLeft) return;
    this.share.io.degradedHosts--;
    this.share.degraded(this.directory, "");
  }

  /** What is no AgentError is thrown again. */
  fail(error: unknown): void {
    if (!(error instanceof AgentError)) throw error;
    const wasDegraded = this.problem !== "";
    this.problem = errorText(error);
    if (this.isLeft) {
      if (!this.hasToldLoss) this.share.events.unsaved(this.directory.hostname, this.directory.path, this.problem);
      this.hasToldLoss = true;
      return;
    }
    if (wasDegraded) return;
    this.share.io.degradedHosts++;
    this.share.degraded(this.directory, this.problem);
  }
}

/** @throws AgentError `disk_limit` */
export function takeDisk(disk: ByteBudget, bytes: number): void {
  if (!disk.take(bytes)) throw new AgentError("disk_limit", `the disk limit of ${disk.limitBytes} bytes is reached`);
}
