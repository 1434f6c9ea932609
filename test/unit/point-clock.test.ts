import { expect, test } from "bun:test";
import { PointClock } from "../../agent/receiver/point-clock.ts";

/** Point, child's clock when it was sent, and our clock, all in seconds. */
const cases: {
  what: string;
  slotSec?: number;
  points: [endSec: number, senderNowSec: number, nowSec: number][];
  dates: number[];
}[] = [
  {
    what: "a child in time, late or a little ahead: its own seconds",
    points: [
      [1000, 1000, 1000.2],
      [1001, 1001, 1031.2],
      [1036, 1036, 1031.3],
    ],
    dates: [1000, 1001, 1036],
  },
  {
    what: "a child that is ahead: ours, and none twice",
    points: [
      [1600, 1600, 1000.4],
      [1601, 1601, 1001.2],
      [1602, 1602, 1002.9],
      // A late one, and one that comes early.
      [1590, 1603, 1003.4],
      [1604, 1604, 1003.9],
    ],
    dates: [1000, 1001, 1002, 990, 1004],
  },
  {
    what: "one that was collected long before it was sent: so long before ours",
    points: [[1600, 1630, 1000.4]],
    dates: [970],
  },
  {
    what: "slots of two seconds: none lies before what it was made of",
    slotSec: 2,
    points: [
      [1600, 1600, 999.4],
      [1602, 1602, 1001.4],
    ],
    dates: [1000, 1002],
  },
  {
    what: "slots that are longer than points may be ahead",
    slotSec: 10,
    points: [
      [1600, 1600, 999.4],
      [1610, 1610, 1009.4],
    ],
    dates: [990, 1000],
  },
  {
    what: "our clock is put back further, and put right",
    points: [
      [1600, 1600, 1000.4],
      [1601, 1601, 801.2],
      [1602, 1602, 802.2],
      [1603, 1603, 1603.2],
      [1604, 1604, 1604.2],
    ],
    dates: [1000, 801, 802, 1603, 1604],
  },
];

test.each(cases)("$what", ({ points, slotSec = 1, dates }) => {
  const clock = new PointClock();
  expect(
    points.map(([endSec, senderNowSec, nowSec]) => clock.date(endSec, slotSec, senderNowSec, nowSec * 1e6)),
  ).toEqual(dates);
});
