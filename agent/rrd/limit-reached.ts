/** Bounds of the database, by their names in `[db]`. */
export type LimitName =
  | "hosts_max"
  | "charts_per_host_max"
  | "dimensions_per_chart_max"
  | "new_charts_per_minute_max"
  | "memory_limit_bytes";

/**
 * Told each time something was refused; the database has counted it. Must not throw.
 * @param host its hostname. @param what was refused, such as `chart disk.sda`.
 */
export type LimitReached = (limit: LimitName, host: string, what: string) => void;
