const POLL_MS = 25;

/**
 * Asks again and again until there is an answer.
 * @param what told in the error, as in "waited 5000 ms for …".
 * @param probe gives `undefined`, `false` or throws while it is too early; anything else ends the wait.
 * @throws Error at the deadline, with what the last probe threw as its cause.
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= endMs) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
    await Bun.sleep(POLL_MS);
  }
}
