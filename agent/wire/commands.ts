import { SENT_LINE_BYTES_MAX } from "../base/limits.ts";
import { LineWords } from "./line-words.ts";
import { NEWLINE } from "./scan.ts";

/** What a parent asks of the child it receives from. Called from inside {@link CommandReader.feed}. */
export interface CommandHandler {
  /** REPLAY_CHART: the history in (after, before] is wanted. @param startsStreaming live values are to follow. */
  replayRequested(chartId: string, startsStreaming: boolean, afterSec: number, beforeSec: number): void;
  /** A line that only agents of our kind write. @param words behind `TRIBUTARY`, at most 19. */
  extension(words: readonly string[]): void;
  /** @param line as it came, cut to the longest line that is read. */
  unknown(line: string): void;
}

/** Reads the lines that a parent writes behind its prompt, however they are cut. Any bytes will do. */
export class CommandReader {
  private readonly handler: CommandHandler;
  private readonly words = new LineWords();
  private line = Buffer.alloc(0);
  /** Bytes of the line so far; beyond the limit they are counted and not kept. */
  private lineBytes = 0;

  constructor(handler: CommandHandler) {
    this.handler = handler;
  }

  /** @param chunk borrowed. */
  feed(chunk: Buffer): void {
    let start = 0;
    for (let newline = chunk.indexOf(NEWLINE); newline >= 0; newline = chunk.indexOf(NEWLINE, start)) {
      this.keep(chunk, start, newline);
      this.read();
      start = newline + 1;
    }
    this.keep(chunk, start, chunk.length);
  }

  private keep(chunk: Buffer, start: number, end: number): void {
    if (end > start && this.line.length === 0) this.line = Buffer.alloc(SENT_LINE_BYTES_MAX);
    if (this.lineBytes < SENT_LINE_BYTES_MAX) chunk.copy(this.line, this.lineBytes, start, end);
    this.lineBytes += end - start;
  }

  private read(): void {
    const { words, handler } = this;
    const isWhole = this.lineBytes <= SENT_LINE_BYTES_MAX;
    words.take(this.line, 0, Math.min(this.lineBytes, SENT_LINE_BYTES_MAX));
    this.lineBytes = 0;
    if (words.count === 0) return;
    const keyword = words.text(0);
    if (isWhole && keyword === "REPLAY_CHART" && words.count >= 5) {
      handler.replayRequested(words.text(1), words.text(2) === "true", words.wireInteger(3), words.wireInteger(4));
    } else if (isWhole && keyword === "TRIBUTARY") handler.extension(words.list(1));
    else handler.unknown(words.line.toString("utf8"));
  }
}
