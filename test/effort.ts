/** Whether this is the long run (`bun run soak`): full counts instead of the reduced ones of every day. */
export const IS_SOAK: boolean = process.env["TRIBUTARY_SOAK"] === "1";

/** @returns how often to repeat something: `daily` in `check` and `npm test`, `soak` in the long run. */
export function effort(daily: number, soak: number): number {
  return IS_SOAK ? soak : daily;
}
