import { setDefaultTimeout } from "bun:test";

/** The runner's own 5 s are too few for a property of many runs on a busy machine; a stuck test still ends. */
setDefaultTimeout(30_000);
