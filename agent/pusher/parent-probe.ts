import type { Destination } from "../base/destination.ts";
import type { SocketOwner, StreamSocket } from "../base/stream-socket.ts";
import {
  isWholeAnswer,
  readStreamInfo,
  STREAM_INFO_BYTES_MAX,
  type StreamInfo,
  streamInfoRequest,
} from "../wire/stream-info.ts";
import type { PusherWorld } from "./pusher-world.ts";

/** What asking a parent came to. */
export type ProbeResult = StreamInfo | { readonly kind: "unreachable" };

/** A link waits for the slowest of its parents, so none is waited for longer than this. */
const PROBE_MS_MAX = 2000;

/** What a probe needs of the outside. */
type ProbeWorld = Pick<PusherWorld, "clock" | "dial" | "program" | "version">;

/**
 * Asks a parent what it has of a host, over a connection of its own. Never rejects, and takes at most
 * {@link PROBE_MS_MAX}.
 * @param signal aborted: the connection is closed, and what was found so far is the result.
 */
export function probeParent(
  destination: Destination,
  machineGuid: string,
  world: ProbeWorld,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const request = streamInfoRequest(destination, machineGuid, `${world.program}/${world.version}`);
  return new Probe(request).run(destination, world, signal);
}

class Probe implements SocketOwner {
  private readonly request: Buffer;
  private sent = 0;
  private answer: Buffer = Buffer.alloc(0);
  private socket: StreamSocket | null = null;
  private readonly giveUp = new AbortController();
  private readonly done = Promise.withResolvers<ProbeResult>();
  private isOver = false;

  constructor(request: Buffer) {
    this.request = request;
  }

  async run(destination: Destination, { clock, dial }: ProbeWorld, signal: AbortSignal): Promise<ProbeResult> {
    const finish = () => this.finish();
    const timer = clock.setTimer(PROBE_MS_MAX, finish);
    signal.addEventListener("abort", finish, { once: true });
    if (signal.aborted) finish();
    dial(destination, this, { timeoutMs: PROBE_MS_MAX, signal: this.giveUp.signal }).then(
      (socket) => this.open(socket),
      () => finish(),
    );
    const result = await this.done.promise;
    timer[Symbol.dispose]();
    signal.removeEventListener("abort", finish);
    return result;
  }

  data(_socket: StreamSocket, chunk: Buffer): void {
    if (this.isOver) return;
    const room = STREAM_INFO_BYTES_MAX - this.answer.length;
    this.answer = Buffer.concat([this.answer, chunk.subarray(0, room)]);
    if (chunk.length >= room || isWholeAnswer(this.answer)) this.finish();
  }

  drain(): void {
    this.send();
  }

  end(): void {
    this.finish();
  }

  close(): void {
    this.finish();
  }

  private open(socket: StreamSocket): void {
    if (this.isOver) {
      socket.terminate();
      return;
    }
    this.socket = socket;
    this.send();
  }

  private send(): void {
    if (this.isOver || this.socket === null) return;
    const taken = this.socket.write(this.request, this.sent, this.request.length - this.sent);
    if (taken < 0) this.finish();
    else this.sent += taken;
  }

  /** A parent that said nothing is as good as none. */
  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.giveUp.abort();
    this.socket?.terminate();
    this.done.resolve(this.answer.length === 0 ? { kind: "unreachable" } : readStreamInfo(this.answer));
  }
}
