import type { SendBuffer } from "../base/send-buffer.ts";
import type { Host } from "../rrd/host.ts";
import type { Label } from "../rrd/label.ts";
import { type Capabilities, PLAIN } from "../wire/capabilities.ts";
import { hostLabelLines, variableLine } from "../wire/encode-labels.ts";

/** Labels and variables of a host as the other end of one link knows them. */
export class HostFactsLines {
  private readonly buffer: SendBuffer;
  private agreed = PLAIN;
  /** {@link Host.factsVersion} that was told on this connection; 0 = none. */
  private version = 0;
  private labels: readonly Label[] | null = null;
  private readonly variables = new Map<string, number>();

  constructor(buffer: SendBuffer) {
    this.buffer = buffer;
  }

  /** A new connection: nothing was told on it yet. */
  restart(agreed: Capabilities): void {
    this.agreed = agreed;
    this.version = 0;
    this.labels = null;
    this.variables.clear();
  }

  /**
   * Appends what changed since the last call; what finds no room is appended by a later one.
   * @returns whether anything was appended.
   */
  tell(host: Host): boolean {
    if (this.version === host.factsVersion) return false;
    const changed = [...host.variables].filter(([name, value]) => this.variables.get(name) !== value);
    let text = "";
    if (this.agreed.variables) for (const [name, value] of changed) text += variableLine("HOST", name, value);
    // An empty set is worth a line only in the place of another.
    const isOther = host.labels !== this.labels && (this.labels !== null || host.labels.length > 0);
    if (this.agreed.labels && isOther) text += hostLabelLines(host.labels);
    if (text !== "" && !this.buffer.append(Buffer.from(text))) return false;
    this.version = host.factsVersion;
    this.labels = host.labels;
    for (const [name, value] of changed) this.variables.set(name, value);
    return text !== "";
  }
}
