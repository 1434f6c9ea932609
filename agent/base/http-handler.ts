/** Who sent a request, as the listening socket saw it: never from a header. */
export interface HttpClient {
  /** Numeric address (IPv4-mapped IPv6 as IPv4), or `UNIX_PEER` of address-list.ts. */
  readonly address: string;
}

/**
 * Answers one HTTP request. The URL of a request without a usable `Host` is only a path: give `new URL` a base.
 * A stream as body is only pulled as fast as the client reads; `text/event-stream` may stay silent for any time, every
 * other body is cut when the client or the body does not move for the idle limit.
 */
export type HttpHandler = (request: Request, client: HttpClient) => Response | Promise<Response>;
