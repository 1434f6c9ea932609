import { readFileSync } from "node:fs";
import { OPEN_FILES_RESERVE } from "../base/limits.ts";

/** How many connections the door lets in. */
export interface ConnectionLimits {
  /** Of all kinds, from all addresses. */
  connections: number;
  connectionsPerAddress: number;
  /** Of `connections`, those that speak HTTP. Each needs three descriptors (client, both ends of the bridge). */
  httpConnections: number;
}

/** Soft limit of open files in the text of `/proc/self/limits`; Infinity for `unlimited` or a text without it. */
export function parseOpenFileLimit(text: string): number {
  const value = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  return value === undefined || value === "unlimited" ? Number.POSITIVE_INFINITY : Number(value);
}

/** This process's limit of open files; the runtime has already raised the soft limit to the hard one. */
export function readOpenFileLimit(path = "/proc/self/limits"): number {
  try {
    return parseOpenFileLimit(readFileSync(path, "latin1"));
  } catch {
    // No /proc: the limit is unknown, and accept() itself will tell.
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * Lowers `limits` so that all connections fit into `openFiles` descriptors beside what the agent needs for itself.
 * @returns `limits` itself when they fit.
 */
export function fitConnectionLimits(limits: ConnectionLimits, openFiles: number): ConnectionLimits {
  const needed = limits.connections + 2 * limits.httpConnections + OPEN_FILES_RESERVE;
  if (openFiles >= needed) return limits;
  // Under a very low limit half of it stays with the agent: a port that accepts and then cannot collect helps nobody.
  const usable = openFiles - Math.min(OPEN_FILES_RESERVE, Math.floor(openFiles / 2));
  const httpConnections = Math.max(1, Math.min(limits.httpConnections, Math.floor(usable / 8)));
  const connections = Math.max(httpConnections, Math.min(limits.connections, usable - 2 * httpConnections));
  return {
    connections,
    connectionsPerAddress: Math.min(limits.connectionsPerAddress, connections),
    httpConnections,
  };
}
