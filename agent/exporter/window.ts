/**
 * The end of what an interval exports of a chart, by the rule of the 1.10+ agents (exporters.md §1.3): two updates
 * back, so that the values are surely stored, then down to a stored time, and one more.
 * @param tickSec the second at which the interval was due, whenever it really runs. @returns last time, inclusive.
 */
export function exportLimitSec(tickSec: number, updateEverySec: number): number {
  return alignDown(tickSec - 2 * updateEverySec, updateEverySec) - updateEverySec;
}

/** The first time a chart exports: two updates before the start, aligned. */
export function exportStartSec(startSec: number, updateEverySec: number): number {
  return alignDown(startSec - 2 * updateEverySec, updateEverySec);
}

/**
 * The window that begins at `nextSec`: up to `lastSec`, unless that makes two whole windows or more because intervals
 * were late or skipped; then only as long as a usual one. Windows of one chart follow each other without gap or
 * overlap, because each begins where the one before has ended.
 * @param lastSec newest time that may be exported, ≥ `nextSec`. @param everySec interval of the exporter.
 * @returns end of the window, inclusive.
 */
export function windowEndSec(nextSec: number, lastSec: number, updateEverySec: number, everySec: number): number {
  const usual = Math.max(1, Math.ceil(everySec / updateEverySec));
  const available = (lastSec - nextSec) / updateEverySec + 1;
  return available >= 2 * usual ? nextSec + (usual - 1) * updateEverySec : lastSec;
}

/** The largest multiple of `step` that is not above `timeSec`. */
export function alignDown(timeSec: number, step: number): number {
  return timeSec - (((timeSec % step) + step) % step);
}

/** The smallest multiple of `step` that is not below `timeSec`. */
export function alignUp(timeSec: number, step: number): number {
  return alignDown(timeSec + step - 1, step);
}
