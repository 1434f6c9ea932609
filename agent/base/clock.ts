/**
 * Time as the rooms see it. `app` gives the machine's; tests and simulations give their own.
 * Wall time stamps samples; monotonic time measures durations and never steps back.
 */
export interface Clock {
  /** Wall clock, µs since 1970 (a double: exact to the µs until the year 2255). */
  nowUs(): number;
  /** Monotonic ms since an arbitrary start. */
  monotonicMs(): number;
  /** Calls back once after at least `delayMs`. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

/** A pending call of {@link Clock.setTimer}; disposing it again, or after it fired, does nothing. */
export type Timer = Disposable;

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** The machine's clocks. */
export function createSystemClock(): Clock {
  let offsetUs = Number.NEGATIVE_INFINITY;
  return {
    // The runtime's wall clock counts whole ms; the monotonic clock fills in the µs between two of them.
    nowUs() {
      const wallUs = Date.now() * 1000;
      const monotonicUs = performance.now() * 1000;
      const guessUs = Math.round(monotonicUs + offsetUs);
      if (guessUs >= wallUs && guessUs < wallUs + 1000) return guessUs;
      const nearestUs = guessUs < wallUs ? wallUs : wallUs + 999;
      offsetUs = nearestUs - monotonicUs;
      return nearestUs;
    },
    monotonicMs: () => performance.now(),
    setTimer(delayMs, callback) {
      const handle = setTimeout(callback, delayMs);
      return { [Symbol.dispose]: () => clearTimeout(handle) };
    },
  };
}
