import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small disk in memory, at a folder. Unmounted at the end, whoever still uses it. */
export class Tmpfs implements Disposable {
  readonly folder: string;

  /** @param folder made if absent. @throws Error when the machine does not allow it. */
  constructor(folder: string, bytes: number) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    run(["mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder]);
  }

  setReadOnly(isReadOnly: boolean): void {
    run(["mount", "-o", `remount,${isReadOnly ? "ro" : "rw"}`, this.folder]);
  }

  [Symbol.dispose](): void {
    run(["umount", "--lazy", this.folder]);
  }
}

/** Why this machine does not let us mount anything; undefined = it does. */
export function reasonNotToMount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tributary-mount-"));
  try {
    new Tmpfs(folder, 4096)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return `no right to mount a tmpfs: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmdirSync(folder);
  }
}

function run(command: string[]): void {
  if (Bun.which(command[0]!) === null) throw new Error(`${command[0]} is not installed`);
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
}
