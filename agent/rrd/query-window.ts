/** Times and point counts of a query as they were asked for; whole numbers of any size. */
export interface WindowRequest {
  /** Unix seconds, or relative when its magnitude is at most {@link RELATIVE_SEC_MAX}. */
  readonly after: number;
  readonly before: number;
  /** Rows wanted; 0 = one row a stored point. */
  readonly points: number;
  /** Resample to this many seconds; 0 = off. */
  readonly gtimeSec: number;
  readonly unaligned: boolean;
  readonly naturalPoints: boolean;
  readonly virtualPoints: boolean;
}

/** What a chart holds, and the time of the question. */
export interface WindowBounds {
  readonly firstSec: number;
  readonly lastSec: number;
  readonly updateEverySec: number;
  /** Wall clock, whole seconds. */
  readonly nowSec: number;
  /** Most rows the answer may have. */
  readonly rowsMax: number;
}

/** The rows of an answer: row `k` of `rows` (0 = oldest) covers `(endOf(k) − group × step, endOf(k)]`. */
export interface QueryWindow {
  /** First second of the first row. */
  readonly afterSec: number;
  /** End of the newest row; may lie after now. */
  readonly beforeSec: number;
  readonly rows: number;
  /** Steps in one row. */
  readonly group: number;
  /** Seconds of a step: the chart's update_every, or 1 when rows are cut without regard to it. */
  readonly stepSec: number;
  /** What an average is divided by instead of the number of its points; 0 = the number of its points. */
  readonly divisor: number;
  readonly isNatural: boolean;
  /** The window touches what the chart holds; else the chart does not match (rrd.md §6.2). */
  readonly touches: boolean;
}

/** A time of this magnitude (3 years) or less is relative (rrd.md §6). */
export const RELATIVE_SEC_MAX = 94_608_000;
/** Most rows of one answer: a day of seconds. */
export const ROWS_MAX = 86_400;
/** Rows of an answer when nothing says how many. */
const ROWS_DEFAULT = 600;

/** True for a time that counts from now, or from the end of the window. */
export function isRelative(time: number): boolean {
  return Math.abs(time) <= RELATIVE_SEC_MAX;
}

/** The window rule of rrd.md §6.2, step by step, in integer arithmetic. */
export function resolveWindow(request: WindowRequest, bounds: WindowBounds): QueryWindow {
  const { firstSec, lastSec, updateEverySec } = bounds;
  const isAuto = request.points === 0;
  const wantsNatural = isAuto || request.naturalPoints || isRelative(request.after) || isRelative(request.before);
  const isNatural = wantsNatural && !request.virtualPoints;
  let points = request.points;
  if (points === 0 && (request.after === 0 || request.before === 0))
    points = divide(lastSec - firstSec, updateEverySec);
  if (points <= 0) points = ROWS_DEFAULT;

  const atEnd = request.before === 0;
  const between = placeWindow(request, bounds);
  const touches = between.after <= lastSec + 2 * updateEverySec && between.before >= firstSec - 2 * updateEverySec;

  const step = isNatural ? updateEverySec : 1;
  let after = roundDown(between.after, step);
  let before = roundDown(between.before, step);
  if (isAuto) points = Math.max(1, divide(before - after + 1, step));

  const { gtimeSec } = request;
  if (gtimeSec > before - after) after = before - gtimeSec;
  const rest = gtimeSec > step ? (before - after) % gtimeSec : 0;
  if (rest > divide(gtimeSec, 10)) after -= gtimeSec - rest;

  const duration = before - after;
  const available = Math.max(1, divide(duration + 1, step));
  points = Math.min(points, available, ROWS_MAX, bounds.rowsMax);
  let group = Math.max(1, divide(available, points));
  if (available % points > divide(points, 2)) group++;
  if (points * group * step < duration) points = Math.max(1, Math.ceil(available / group));
  // Rounding the group down can leave more rows than allowed: wider groups then, the window stays whole.
  if (points > Math.min(ROWS_MAX, bounds.rowsMax)) {
    group = Math.ceil(available / Math.min(ROWS_MAX, bounds.rowsMax));
    points = Math.ceil(available / group);
  }

  let divisor = 0;
  if (gtimeSec > step) {
    const gtimeSteps = Math.ceil(gtimeSec / step);
    group = Math.ceil(Math.max(group, gtimeSteps) / gtimeSteps) * gtimeSteps;
    divisor = (group * step) / gtimeSec;
  }

  const rowSec = group * step;
  const beyond = modulo(before, rowSec);
  if (!request.unaligned && beyond !== 0) before += atEnd ? -beyond : rowSec - beyond;
  const afterSec = before - points * rowSec + step;
  // A quotient is a double to the engine even where it is whole; what counts with it would be compiled for both.
  const rows = points | 0;
  return { afterSec, beforeSec: before, rows, group, stepSec: step, divisor, isNatural, touches };
}

/** Steps 2 and 3: absolute times, in order, not beyond the last whole second. */
function placeWindow(request: WindowRequest, bounds: WindowBounds): { after: number; before: number } {
  let after = request.after === 0 ? bounds.firstSec : request.after;
  let before = request.before === 0 ? bounds.lastSec : request.before;
  const lastWholeSec = bounds.nowSec - 1;
  if (isRelative(before)) before = lastWholeSec - Math.abs(before);
  if (isRelative(after)) after = before - Math.abs(after) + 1;
  if (after > before) [after, before] = [before, after];
  if (before > lastWholeSec) {
    after -= before - lastWholeSec;
    before = lastWholeSec;
  }
  return { after, before };
}

function divide(value: number, by: number): number {
  return Math.trunc(value / by);
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

function roundDown(value: number, step: number): number {
  return value - modulo(value, step);
}
