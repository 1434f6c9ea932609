import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AgentError, errorCode, errorText } from "../base/errors.ts";
import { createGuid, parseGuid } from "../base/guid.ts";
import type { Log } from "../base/log.ts";

const FILE = "machine.guid";

/** What decides on the identity of this host. */
export interface IdentityOptions {
  /** `agent.machine_guid`; empty = the file in the state directory. */
  configured: string;
  stateDir: string;
  /** Others will know this host by its GUID: it must be the same after a restart. */
  mustBeStable: boolean;
  log: Log;
}

/** Who this host is. */
export interface Identity {
  readonly guid: string;
  /** It could not be kept: the next start makes another one. */
  readonly isTemporary: boolean;
}

/**
 * The GUID of this host: configured, else kept in `<state_dir>/machine.guid` and made at the first start. A file that
 * holds something else is set aside, never overwritten.
 * @throws AgentError `identity_unstable` when it must be stable and cannot be kept.
 */
export function findIdentity({ configured, stateDir, mustBeStable, log }: IdentityOptions): Identity {
  if (configured !== "") return { guid: configured, isTemporary: false };
  const path = join(stateDir, FILE);
  try {
    return { guid: readGuid(path, log) ?? makeGuid(stateDir, path), isTemporary: false };
  } catch (error) {
    const problem = `${path}: the identity of this host cannot be kept: ${errorText(error)}`;
    if (mustBeStable) {
      const hint = "make the directory writable, give --state DIR, or set machine_guid in [agent]";
      throw new AgentError("identity_unstable", `${problem}\n  hint: ${hint}`, { cause: error });
    }
    const text = "this host has another GUID after each start; give --state DIR with a writable directory";
    log.warn("app.identity_temporary", { path, reason: errorText(error), text });
    return { guid: createGuid(crypto.getRandomValues(new Uint8Array(16))), isTemporary: true };
  }
}

function readGuid(path: string, log: Log): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const guid = parseGuid(text);
  if (guid !== undefined) return guid;
  const aside = `${path}.bad-${Math.floor(performance.timeOrigin / 1000)}`;
  renameSync(path, aside);
  log.error("app.identity_unreadable", { path, moved_to: aside });
  return undefined;
}

/** Written beside and renamed, so that a crash leaves either no file or a whole one. */
function makeGuid(stateDir: string, path: string): string {
  const guid = createGuid(crypto.getRandomValues(new Uint8Array(16)));
  mkdirSync(stateDir, { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${guid}\n`, { mode: 0o644, flush: true });
  renameSync(temporary, path);
  return guid;
}
