import { type Fault, overSec } from "./fault.ts";

/** After a fault, what was held up has come by then. */
export const SETTLED_SEC = 12;

/** When something is wrong in a world: its faults, with what they leave behind, joined where they touch. */
export class Troubles {
  private readonly times: { readonly fromSec: number; toSec: number }[] = [];

  constructor(faults: readonly Fault[]) {
    for (const fault of faults) {
      const toSec = overSec(fault) + SETTLED_SEC;
      const last = this.times.at(-1);
      if (last !== undefined && fault.atSec <= last.toSec) last.toSec = Math.max(last.toSec, toSec);
      else this.times.push({ fromSec: fault.atSec, toSec });
    }
  }

  /** Nothing is wrong in a time. */
  isQuiet(fromSec: number, toSec: number): boolean {
    return !this.times.some((trouble) => trouble.toSec >= fromSec && trouble.fromSec <= toSec);
  }

  /** For how long something has been wrong in a second, µs; 0 = it is not. */
  lastingUs(second: number): number {
    const trouble = this.times.find(({ fromSec, toSec }) => second >= fromSec - 1 && second <= toSec);
    return trouble === undefined ? 0 : (second - trouble.fromSec + 1) * 1e6;
  }
}
