/** Streamed answers at the same time; each holds a list of what it still has to say. Browsers open 6. */
const STREAMS_MAX = 64;
/** Values of all unfinished queries together: 128 MiB of doubles, four answers of the largest size. */
const VALUES_MAX = 16_777_216;

/** What unfinished answers hold in memory, so that slow or greedy clients can never take all of it. */
export class OpenAnswers {
  /** Answers refused with 503 because of these limits. */
  refused = 0;
  private streams = 0;
  private values = 0;

  /** False when a query of this many values must not start now; it has been counted. */
  canQuery(values: number): boolean {
    return this.admit(this.values === 0 || this.values + values <= VALUES_MAX);
  }

  /** False when no further answer may be streamed now; it has been counted. */
  canStream(): boolean {
    return this.admit(this.streams < STREAMS_MAX);
  }

  /** Notes a query that begins to read. @returns disposed when its answer is written, or given up. */
  holdValues(values: number): Disposable {
    this.values += values;
    return {
      [Symbol.dispose]: () => {
        this.values -= values;
      },
    };
  }

  /** Notes a streamed answer. @returns disposed when it is over. */
  holdStream(): Disposable {
    this.streams++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (!isOver) this.streams--;
        isOver = true;
      },
    };
  }

  private admit(isAdmitted: boolean): boolean {
    if (!isAdmitted) this.refused++;
    return isAdmitted;
  }
}
