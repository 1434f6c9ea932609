import * as v from "valibot";
import { PORT_DEFAULT, parseListen } from "../base/listen-address.ts";
import { addresses, bool, int, list, problemOf } from "./fields.ts";

/** `[web]` (config.md §2.3). */
export const WebSchema = v.strictObject({
  enabled: v.optional(
    bool({ meaning: "false = no listening socket at all: no HTTP, no children.", netdata: "mode = none" }),
    true,
  ),
  listen: v.optional(
    list({
      meaning: "Addresses of HTTP and streaming: ip[:port], [v6][:port], localhost, unix:/path or * (all addresses).",
      problem: (entry) => problemOf(() => parseListen(entry)),
      netdata: "bind to, default port",
    }),
    [`127.0.0.1:${PORT_DEFAULT}`],
  ),
  allow_connections_from: v.optional(
    addresses({
      meaning: "Peers that may connect; others are closed without a byte.",
      netdata: "allow connections from",
    }),
    "localhost *",
  ),
  allow_dashboard_from: v.optional(
    addresses({ meaning: "Peers that may read the page and /api/v1.", netdata: "allow dashboard from" }),
    "localhost *",
  ),
  allow_streaming_from: v.optional(
    addresses({
      meaning: "Peers that may stream; each API key has a list of its own besides.",
      netdata: "allow streaming from",
    }),
    "*",
  ),
  disconnect_idle_clients_after_seconds: v.optional(
    int({
      meaning: "An HTTP connection without a request is closed after this time.",
      min: 1,
      max: 3600,
      unit: "s",
      netdata: "disconnect idle clients after seconds",
    }),
    60,
  ),
  gzip_level: v.optional(
    int({
      meaning: "Compression of HTTP answers.",
      min: 0,
      max: 9,
      netdata: "gzip compression level",
      fallback: "0 = off",
    }),
    3,
  ),
});
