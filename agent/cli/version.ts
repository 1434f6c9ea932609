import manifest from "../../package.json" with { type: "json" };

/** Set by `scripts/build.ts` (`--define`); absent when run from source. */
declare const TRIBUTARY_COMMIT: string | undefined;

/** The version of this agent, `MAJOR.MINOR.PATCH`. */
export const VERSION: string = manifest.version;

/** Commit of the sources it was built from, `-dirty` when they had changes, or `source` when run from source. */
export const COMMIT: string = typeof TRIBUTARY_COMMIT === "string" ? TRIBUTARY_COMMIT : "source";
