/** What the agent's own charts show of HTTP (collectors.md §7). Totals since start unless said otherwise. */
export class HttpCounters {
  requests = 0;
  /** Requests answered with 403 by the access list. */
  refused = 0;
  /** Requests answered with 500. */
  failed = 0;
  /** Bytes of compressed answers before and after. */
  gzipPlainBytes = 0;
  gzipSentBytes = 0;
  prometheusUsed = 0;
  pageUsed = 0;
  private intervalRequests = 0;
  private intervalSumUs = 0;
  private intervalMaxUs = 0;

  /** @param elapsedUs from the request's arrival until its answer began. */
  answered(elapsedUs: number): void {
    this.requests++;
    this.intervalRequests++;
    this.intervalSumUs += elapsedUs;
    this.intervalMaxUs = Math.max(this.intervalMaxUs, elapsedUs);
  }

  /** Response times since the last call, µs; both 0 when nothing was answered. */
  takeResponseTime(): { averageUs: number; maxUs: number } {
    const averageUs = this.intervalRequests === 0 ? 0 : this.intervalSumUs / this.intervalRequests;
    const maxUs = this.intervalMaxUs;
    this.intervalRequests = 0;
    this.intervalSumUs = 0;
    this.intervalMaxUs = 0;
    return { averageUs, maxUs };
  }

  /** Share of bytes that compression saved, in percent; null before the first compressed answer. */
  gzipSavings(): number | null {
    return this.gzipPlainBytes === 0 ? null : 100 * (1 - this.gzipSentBytes / this.gzipPlainBytes);
  }
}
