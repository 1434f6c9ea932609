const UNIT_SEC: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * A point in time as people write it: Unix seconds, a negative span back from now (`-90`, `-10m`, `-2h`, `-7d`), or a
 * date with or without a time, in local time unless it names its zone.
 * @returns Unix seconds; undefined if it is none of these.
 */
export function parseMoment(text: string, nowSec: number): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const [, count, unit = ""] = /^-(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  if (count !== undefined) return nowSec - Number(count) * UNIT_SEC[unit]!;
  const [, day, time = "00:00"] = /^(\d{4}-\d\d-\d\d)(?:[T ](.+))?$/.exec(text) ?? [];
  if (day === undefined) return undefined;
  const timeMs = Date.parse(`${day}T${time}`);
  return Number.isNaN(timeMs) ? undefined : timeMs / 1000;
}

/** `2026-11-28T06:30:00+01:00`, in the zone of this machine. @param timeSec whole seconds. */
export function isoLocal(timeSec: number): string {
  const offsetMin = -new Date(timeSec * 1000).getTimezoneOffset();
  const local = new Date((timeSec + offsetMin * 60) * 1000).toISOString().slice(0, 19);
  const [hours, minutes] = [Math.floor(Math.abs(offsetMin) / 60), Math.abs(offsetMin) % 60];
  const zone = [hours, minutes].map((part) => String(part).padStart(2, "0")).join(":");
  return `${local}${offsetMin < 0 ? "-" : "+"}${zone}`;
}
