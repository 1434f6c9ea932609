/** The lines of one chart in the file. */
interface ChartLines {
  /** Of the last line that counts. */
  revision: number;
  dimensions: number;
  /** Bytes that are still of use. */
  bytes: number;
}

/** Account of a catalogue: how much of the file is of use, and where each chart stands. Kept by reader and writer. */
export class CatalogueLines {
  /** Smallest key that was never used. */
  nextKey = 1;
  /** Bytes of the lines that say something that holds. */
  liveBytes = 0;
  private hostBytes = 0;
  private readonly charts = new Map<number, ChartLines>();

  /** @returns revision of the last line of a chart; 0 = there is none. */
  revisionOf(key: number): number {
    return this.charts.get(key)?.revision ?? 0;
  }

  /** @returns dimensions of a chart; 0 when it is not known. */
  dimensionsOf(key: number): number {
    return this.charts.get(key)?.dimensions ?? 0;
  }

  hasChart(key: number): boolean {
    return this.charts.has(key);
  }

  putHost(bytes: number): void {
    this.liveBytes += bytes - this.hostBytes;
    this.hostBytes = bytes;
  }

  putChart(key: number, revision: number, dimensions: number, bytes: number): void {
    this.useKey(key);
    const known = this.charts.get(key);
    this.liveBytes += bytes - (known?.bytes ?? 0);
    if (known === undefined) this.charts.set(key, { revision, dimensions, bytes });
    else {
      known.revision = revision;
      known.dimensions = dimensions;
      known.bytes = bytes;
    }
  }

  /** Dimensions that replace others make as much of the file dead as they bring. The chart must be known. */
  putDimensions(key: number, first: number, count: number, bytes: number): void {
    const chart = this.charts.get(key)!;
    chart.revision++;
    const added = Math.max(0, first + count - chart.dimensions);
    if (added === 0) return;
    const live = Math.ceil((bytes * added) / count);
    chart.dimensions += added;
    chart.bytes += live;
    this.liveBytes += live;
  }

  remove(key: number): void {
    this.useKey(key);
    this.liveBytes -= this.charts.get(key)?.bytes ?? 0;
    this.charts.delete(key);
  }

  /** A key that was seen is never given again. */
  useKey(key: number): void {
    if (key >= this.nextKey) this.nextKey = key + 1;
  }
}
