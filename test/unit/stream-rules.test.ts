import { expect, test } from "bun:test";
import { comparePoints, type DimensionResult, type Series } from "../peer/compare.ts";
import { figuresOf, firstMinuteProblems, steadyProblems } from "../peer/stream-rules.ts";

const FROM = 1000;
const SECONDS = 60;
/** One second more at each end: neighbours are looked at. */
const ALL = Array.from({ length: SECONDS + 2 }, (_, index) => FROM - 1 + index);

type Course = (second: number) => number | null;

function series(course: Course): Series {
  return new Map(ALL.map((second) => [second, course(second)]));
}

/** 80 dimensions of each kind, all with the same values: `source` at one place, `target` at the other. */
function figures(source: Course, target: Course) {
  const points = comparePoints(series(source), series(target), [FROM, FROM + SECONDS - 1]);
  const results = [true, false].flatMap((isIncremental) =>
    Array.from({ length: 80 }, (_, index): DimensionResult => ({ name: `d${index}`, isIncremental, ...points })),
  );
  return figuresOf(results);
}

const wave: Course = (second) => 1000 + 100 * (second % 7);
const burst: Course = (second) => (second === FROM ? 100_000 : wave(second));
const cases: { what: string; source: Course; target: Course; isSteady: boolean; isFirstMinute: boolean }[] = [
  { what: "the same", source: wave, target: wave, isSteady: true, isFirstMinute: true },
  {
    what: "one value in sixty differs",
    source: wave,
    target: (second) => (second === FROM + 20 ? 1333 : wave(second)),
    isSteady: true,
    isFirstMinute: true,
  },
  {
    what: "one value in twenty differs",
    source: wave,
    target: (second) => (second % 20 === 0 ? 999 : wave(second)),
    isSteady: false,
    isFirstMinute: false,
  },
  {
    what: "all a second late",
    source: wave,
    target: (second) => wave(second - 1),
    isSteady: false,
    isFirstMinute: true,
  },
  {
    what: "all two seconds late",
    source: wave,
    target: (second) => wave(second - 2),
    isSteady: false,
    isFirstMinute: false,
  },
  {
    what: "one missing",
    source: wave,
    target: (second) => (second === FROM + 30 ? null : wave(second)),
    isSteady: false,
    isFirstMinute: false,
  },
  { what: "none there", source: wave, target: () => null, isSteady: false, isFirstMinute: false },
  {
    what: "all 2 % too large",
    source: wave,
    target: (second) => 1.02 * wave(second)!,
    isSteady: false,
    isFirstMinute: false,
  },
  {
    what: "a burst at the end of the window that lies elsewhere",
    source: burst,
    target: (second) => (second === FROM ? 90_000 : wave(second)),
    isSteady: false,
    isFirstMinute: true,
  },
  { what: "nothing changes", source: () => 5, target: () => 5, isSteady: false, isFirstMinute: false },
  { what: "nothing at all", source: () => null, target: () => null, isSteady: false, isFirstMinute: false },
];

test.each(cases)(
  "$what: steady $isSteady, first minute $isFirstMinute",
  ({ source, target, isSteady, isFirstMinute }) => {
    const found = figures(source, target);
    expect({ steady: steadyProblems(found).length === 0, first: firstMinuteProblems(found).length === 0 }).toEqual({
      steady: isSteady,
      first: isFirstMinute,
    });
  },
);
