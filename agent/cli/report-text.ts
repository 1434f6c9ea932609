/** `12 s`, `5 min`, `3 h`. */
export function secondsText(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** {@link secondsText} of something that is over. */
export function ageText(seconds: number): string {
  return `${secondsText(seconds)} ago`;
}

/** A Unix second in UTC; 0 = never. */
export function momentText(second: number): string {
  return second === 0 ? "-" : `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
}

/** Losses by reason, those that there are. */
export function lossText(lost: Readonly<Record<string, number>>): string {
  return Object.entries(lost)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(", ");
}
