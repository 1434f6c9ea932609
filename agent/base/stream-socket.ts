/**
 * A connected byte stream as its owner sees it. A socket of the runtime fits as it is; simulations give their own.
 * Nothing is kept by the socket: what `write` did not take belongs to the caller.
 */
export interface StreamSocket {
  /** Offers `[byteOffset, byteOffset + byteLength)`. @returns bytes taken, 0…byteLength, or −1 once closed. */
  write(bytes: Uint8Array, byteOffset?: number, byteLength?: number): number;
  /** Sends FIN; reading goes on. */
  shutdown(): void;
  /** Closes both ways now. Calls {@link SocketOwner.close} before it returns. Bytes not read yet make it a reset. */
  end(): void;
  /** Closes with a reset; bytes not sent yet are thrown away. Calls {@link SocketOwner.close} before it returns. */
  terminate(): void;
  /** Stops `data` until {@link resume}; the kernel's buffers then hold the peer back. */
  pause(): void;
  resume(): void;
}

/**
 * Whoever handles the events of one socket. Called straight from the event loop, at most once for `end` and `close`.
 */
export interface SocketOwner {
  /** @param chunk at most 512 KiB, borrowed: valid until the call returns. */
  data(socket: StreamSocket, chunk: Buffer): void;
  /** The kernel takes bytes again after a short `write`. */
  drain(socket: StreamSocket): void;
  /** The peer sent FIN; the socket stays open for writing until the owner closes it. */
  end(socket: StreamSocket): void;
  /** The last call. */
  close(socket: StreamSocket): void;
}

/** A connection whose first word somebody registered, with its whole request head. */
export interface StreamRequest {
  readonly socket: StreamSocket;
  /** From the first word to the empty line that ends the head, both included. Borrowed: valid during the call. */
  readonly head: Buffer;
  /** The peer's numeric address (IPv4-mapped IPv6 as IPv4), or `UNIX_PEER` of address-list.ts. */
  readonly address: string;
}

/**
 * Takes a connection over or refuses it. The owner returned gets all further events, first of all `data` with the bytes
 * that came after the head. A text returned is the refusal: it is written, then the connection is closed.
 */
export type TakeStream = (request: StreamRequest) => SocketOwner | string;
