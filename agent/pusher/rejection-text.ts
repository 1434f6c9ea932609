import type { Rejection } from "../wire/answers.ts";

/** Enough of a key or GUID to tell two apart, not enough to use it. */
const SHOWN_LENGTH = 4;

/**
 * Why a parent did not take our stream, and what to do about it.
 * @param problem what happened, such as what the parent answered.
 */
export function rejectionText(
  rejection: Exclude<Rejection, "compressed">,
  problem: string,
  apiKey: string,
  machineGuid: string,
): string {
  const [keyEnd, guidEnd] = [apiKey.slice(-SHOWN_LENGTH), machineGuid.slice(-SHOWN_LENGTH)];
  const questions = `is key …${keyEnd} enabled at the parent, and is this address allowed?`;
  switch (rejection) {
    case "not_permitted":
      return `not permitted: ${questions} its log says which`;
    case "own_guid":
      return (
        `the parent has this machine GUID (…${guidEnd}) itself: is the destination this very agent? ` +
        "if not, one disk is a copy of the other: delete machine.guid in the state directory here, and restart"
      );
    case "already_streaming":
      return (
        `the parent is receiving this machine GUID (…${guidEnd}) already: after a broken connection this passes ` +
        "within 30 s; if it stays, another machine has the same GUID, and the parent's log says which"
      );
    case "busy":
      return (
        "the parent is too busy: it lets in only so many children a second, or has as many hosts as it may; " +
        "this is tried again, and if it stays, its log says why"
      );
    case "internal":
      return "the parent had an internal error: its log says which";
    case "initializing":
      return "the parent is just starting: this is tried again";
    case "not_understood":
      return `not the answer of a parent: does the destination name a streaming parent and its port? ${problem}`;
    case "closed":
      return `${problem}, as netdata 1.6 to 1.8 refuse: ${questions}`;
    case "no_reply":
      return `${problem}: the parent hangs, or something between here and there swallows what is sent`;
  }
}

/** Offset of two clocks that a parent does not forgive: it stores nothing that is further ahead of it, in seconds. */
const CLOCK_OFF_SEC = 5;

/**
 * What is wrong with our clock as the parent of a link sees it; empty = nothing.
 * @param offsetSec our clock less the parent's; NaN = unknown.
 */
export function clockProblem(offsetSec: number): string {
  if (Number.isNaN(offsetSec) || Math.abs(offsetSec) <= CLOCK_OFF_SEC) return "";
  const seconds = Math.abs(offsetSec).toFixed(1);
  if (offsetSec < 0) return `the clock here is ${seconds} s behind the parent's: set both by NTP`;
  return (
    `the clock here is ${seconds} s ahead of the parent's, which stores nothing more than ${CLOCK_OFF_SEC} s ahead: ` +
    "set both by NTP"
  );
}
