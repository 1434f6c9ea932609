/** The path between two machines, both ways, as it is now. */
export class SimulatedLink {
  latencyUs = 500;
  /** Up to so much is added to the latency of each piece by chance; order is kept. */
  jitterUs = 0;
  /** Of each direction of each connection. */
  bytesPerSec = 1e7;
  /** Nothing gets through; what was under way is sent again when the path is whole. */
  isCut = false;
  /** Of 100 pieces so many are cut at a place of chance. */
  cutPercent = 0;
  /** Of 100 writes so many are taken only in part. */
  shortPercent = 0;

  get isUp(): boolean {
    return !this.isCut;
  }
}

/** What a kernel holds of one direction of a connection, at most. */
export interface KernelBuffers {
  sendBytes: number;
  receiveBytes: number;
}
