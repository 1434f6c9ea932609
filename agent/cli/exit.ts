/** Exit codes of every verb. */
export const EXIT = { ok: 0, runtime: 1, usage: 2, bug: 70, config: 78 } as const;
