import { readFileSync } from "node:fs";
import type { CarbonPoint } from "./servers.ts";

/**
 * All points of a whisper file's first archive, oldest first. Big-endian: aggregation u32, retention u32, xff f32,
 * archives u32; per archive offset, seconds per point, points, u32 each; a point is a time u32 and a value f64.
 */
export function readWhisper(path: string): CarbonPoint[] {
  const file = readFileSync(path);
  const offset = file.readUInt32BE(16);
  const count = file.readUInt32BE(24);
  const points: CarbonPoint[] = [];
  for (let at = offset; at < offset + 12 * count; at += 12) {
    const timeSec = file.readUInt32BE(at);
    if (timeSec > 0) points.push({ timeSec, value: file.readDoubleBE(at + 4) });
  }
  return points.sort((a, b) => a.timeSec - b.timeSec);
}
