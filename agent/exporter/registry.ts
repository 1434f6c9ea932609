import type { ExporterConfig } from "../config/schema.ts";
import { GraphiteFormat } from "../format/graphite.ts";
import type { PointFormat } from "../format/point-format.ts";
import { TcpTransport } from "./transport/tcp-transport.ts";
import type { Transport, TransportContext } from "./transport/transport.ts";

/** A kind of exporter: how it writes and how it sends. */
export interface ExporterType {
  readonly portDefault: number;
  readonly format: (config: ExporterConfig) => PointFormat;
  readonly transport: (context: TransportContext) => Transport;
}

const tcp = (context: TransportContext): Transport => new TcpTransport(context);

/** All types, by the word in the configuration (exporters.md §3). */
export const EXPORTER_TYPES: Readonly<Record<ExporterConfig["type"], ExporterType>> = {
  graphite: { portDefault: 2003, format: graphite, transport: tcp },
};

function graphite(config: ExporterConfig): PointFormat {
  return new GraphiteFormat({
    prefix: config.prefix,
    hostDots: config.host_dots,
    compatNames: config.compat_names,
    useNames: config.send_names_instead_of_ids,
  });
}
