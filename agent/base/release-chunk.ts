/** Below this a chunk is cheaper to leave to the garbage collector. */
const RELEASE_BYTES_MIN = 4096;

/**
 * Gives the memory of a chunk that a socket delivered back at once. The runtime makes a buffer of its own for every
 * read; left to the garbage collector, megabytes a second of them are fresh pages each time, and the kernel's work for
 * those was a third of a parent's CPU. The chunk is empty afterwards, wherever it is still held.
 */
export function releaseChunk(chunk: Buffer): void {
  if (chunk.length < RELEASE_BYTES_MIN || chunk.length !== chunk.buffer.byteLength) return;
  if (chunk.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0);
}
