import { assert } from "../agent/base/assert.ts";
import type { Random } from "../agent/base/clock.ts";
import { BufferPool } from "./simulated-buffers.ts";

const PAGE_BYTES = 4096;
const buffers = new BufferPool();

/** One file of a simulated disk, whatever its name. */
export class Inode {
  content: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  length = 0;
  /** What a power loss cannot take. */
  durable: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  isMapped = false;
  /** Somebody may look into it although it has no name. */
  isHeld = false;
  /** What was durable before: segments are large, and flushed often. */
  private spare: Uint8Array<ArrayBuffer> | null = null;
  /** {@link durable} shows the same bytes as {@link content}: neither may change in place. */
  private isShared = false;

  /** A copy of what is in it now. */
  snapshot(): Uint8Array<ArrayBuffer> {
    return this.content.slice(0, this.length);
  }

  /**
   * What is in it now, to become {@link durable} by {@link makeDurable}. A file that is not mapped is copied only when
   * it changes: most are written once.
   */
  copyToFlush(): Uint8Array<ArrayBuffer> {
    const { spare } = this;
    if (!this.isMapped) {
      this.isShared = true;
      return this.content.subarray(0, this.length);
    }
    this.spare = null;
    if (spare?.length !== this.length) return this.snapshot();
    spare.set(this.content.subarray(0, this.length));
    return spare;
  }

  makeDurable(copy: Uint8Array<ArrayBuffer>): void {
    if (this.durable.buffer !== this.content.buffer) this.spare = this.durable;
    this.durable = copy;
  }

  /** Writes over a part of what is there. */
  overwrite(bytes: Uint8Array, at: number): void {
    this.own();
    this.content.set(bytes, at);
  }

  /** What was flushed stays as it is, whatever becomes of the content. */
  private own(): void {
    if (this.isShared) this.content = this.snapshot();
    this.isShared = false;
  }

  resize(length: number): void {
    if (length === this.length) return;
    assert(!this.isMapped, "a mapped file changes its size: the next store past its end would kill the process");
    if (length < this.length) this.own();
    if (length > this.content.length) {
      const larger = buffers.take(Math.max(length, 2 * this.content.length));
      larger.set(this.content.subarray(0, this.length));
      larger.fill(0, this.length);
      this.content = larger;
      this.isShared = false;
    }
    if (length < this.length) this.content.fill(0, length, this.length);
    this.length = length;
  }

  /** The whole content as one array, which from now on *is* the content. */
  map(): Uint8Array<ArrayBuffer> {
    this.own();
    if (this.content.length !== this.length) this.content = this.snapshot();
    this.isMapped = true;
    this.isHeld = true;
    return this.content;
  }

  /** Content after a power loss: of each changed page, and of the size, what was flushed or what came later. */
  losePower(random: Random): void {
    const { durable } = this;
    let length = random() < 0.5 ? durable.length : this.length;
    if (random() < 1 / 3) length = durable.length + Math.round(random() * (this.length - durable.length));
    const left = new Uint8Array(length);
    left.set(durable.subarray(0, length));
    for (let start = 0; start < length; start += PAGE_BYTES) {
      const end = Math.min(start + PAGE_BYTES, length);
      const page = this.content.subarray(start, Math.min(end, this.length));
      if (!equalBytes(page, left.subarray(start, end)) && random() < 0.5) left.set(page, start);
    }
    this.settle(left);
  }

  /** It has no name any more, and never will have: its memory is for others. */
  release(): void {
    if (this.isHeld) return;
    buffers.give(this.content);
    this.content = new Uint8Array(0);
    this.durable = this.content;
    this.length = 0;
  }

  /** The process is gone: what it still has mapped is not this file any more. */
  settle(content: Uint8Array<ArrayBuffer>): void {
    this.content = content;
    this.length = content.length;
    this.isMapped = false;
    this.isShared = false;
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
