/** Bits of `ver` as netdata 1.37 and later negotiate them (streaming.md §5); those that we know. */
export const CAPABILITY = {
  v1: 8,
  v2: 16,
  vn: 32,
  /** The answer is bits, too; without it there are no others. */
  bits: 64,
  labels: 128,
  chartLabels: 512,
  replication: 4096,
  interpolated: 16_384,
} as const;

/** What is offered to parents and accepted from children: plain text, no compression. */
const ALWAYS = CAPABILITY.bits | CAPABILITY.labels | CAPABILITY.chartLabels;

/** Old versions of the protocol are below, capability bits from here on. */
const BITS_FROM = 8;
const BITS_MAX = 0x7fffffff;
/** Versions 2…4 add labels; 5 would be compressed frames. */
const VERSION_PLAIN_MAX = 4;
const IMPLIED = CAPABILITY.v1 | CAPABILITY.v2 | CAPABILITY.vn;

/** What both ends of a connection understand. */
export interface Capabilities {
  /** The number that says so: 1…4, or bits. */
  readonly agreed: number;
  /** LABEL and OVERWRITE. */
  readonly labels: boolean;
  /** CLABEL and CLABEL_COMMIT. */
  readonly chartLabels: boolean;
  /** VARIABLE: kills a v1.6 parent, which V1 may be (streaming.md §2.7). */
  readonly variables: boolean;
  /** The option `obsolete` of charts and dimensions. */
  readonly obsolete: boolean;
  readonly replication: boolean;
  /** BEGIN2, SET2, END2: final values. */
  readonly interpolated: boolean;
}

/** The base protocol, with which nothing was agreed. */
export const PLAIN: Capabilities = capabilitiesOf(1);

/**
 * What we offer and accept. Final values are read from a ring, and stored in one.
 * @param hasRing the host keeps values. @param isReplicating the configuration allows it.
 */
export function supported(hasRing: boolean, isReplicating: boolean): number {
  if (!hasRing) return ALWAYS;
  return ALWAYS | CAPABILITY.interpolated | (isReplicating ? CAPABILITY.replication : 0);
}

/**
 * What a parent answers to a child (streaming.md §1.3, §10): never more than `ours`, and never 5, whose frames nobody
 * here reads.
 * @param ver as the child offered it, 0 = nothing. @param isTributary it is an agent of our kind: replication hands
 * over the state that raw values need to give equal points, so final values, which cost more, are left out.
 */
export function answerTo(ver: number, isTributary: boolean, ours: number): Capabilities {
  if (ver < BITS_FROM) return capabilitiesOf(ver >= 2 && ver <= 5 ? Math.min(ver, VERSION_PLAIN_MAX) : 1);
  if ((ver & CAPABILITY.bits) === 0) return PLAIN;
  const common = ver & ours & ~IMPLIED;
  const isEqualAnyway = isTributary && (common & CAPABILITY.replication) !== 0;
  return capabilitiesOf(isEqualAnyway ? common & ~CAPABILITY.interpolated : common);
}

/**
 * What a parent's answer means.
 * @param version as {@link readAnswer} gives it. @param offered our `ver`, 0 = none. @returns null when it is nothing
 * that was offered: the stream cannot be written.
 */
export function agreedBy(version: number, offered: number): Capabilities | null {
  if (version < BITS_FROM) return version >= 1 && version <= VERSION_PLAIN_MAX ? capabilitiesOf(version) : null;
  const isOffered = version <= BITS_MAX && (version & ~(offered | IMPLIED)) === 0;
  return isOffered ? capabilitiesOf(version) : null;
}

function capabilitiesOf(agreed: number): Capabilities {
  const isBits = agreed >= BITS_FROM;
  const has = (bit: number) => isBits && (agreed & bit) !== 0;
  return {
    agreed,
    labels: has(CAPABILITY.labels) || (!isBits && agreed >= 2),
    chartLabels: has(CAPABILITY.chartLabels) || agreed === 4,
    variables: has(CAPABILITY.bits),
    // Whoever knows labels is eleven generations younger than the option.
    obsolete: has(CAPABILITY.bits) || (!isBits && agreed >= 2),
    replication: has(CAPABILITY.replication),
    interpolated: has(CAPABILITY.interpolated),
  };
}
