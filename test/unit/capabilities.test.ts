import { describe, expect, test } from "bun:test";
import { promptOf, readAnswer } from "../../agent/wire/answers.ts";
import { agreedBy, answerTo, CAPABILITY, supported } from "../../agent/wire/capabilities.ts";

const V1 = "Hit me baby, push them over...";
const V2 = "Hit me baby, push them over and bring the host labels...";
const VN = "Hit me baby, push them over with the version=";
/** All that the wire room reads. */
const ALL = supported(true, true);

describe("what a parent answers", () => {
  // Streaming.md §1.3 and §10; where netdata 1.37 answers 5, we answer 4.
  const cases: { ver: number; ours: number; prompt: string }[] = [
    { ver: 0, ours: 704, prompt: V1 },
    { ver: 1, ours: 704, prompt: V1 },
    { ver: 2, ours: 704, prompt: V2 },
    { ver: 3, ours: 704, prompt: `${VN}3` },
    { ver: 4, ours: 704, prompt: `${VN}4` },
    { ver: 5, ours: 704, prompt: `${VN}4` },
    { ver: 6, ours: 704, prompt: V1 },
    { ver: 8, ours: 704, prompt: V1 },
    { ver: 56, ours: 704, prompt: V1 },
    { ver: 128, ours: 704, prompt: V1 },
    { ver: 64, ours: 704, prompt: `${VN}64` },
    { ver: 72, ours: 704, prompt: `${VN}64` },
    { ver: 96, ours: 704, prompt: `${VN}64` },
    { ver: 704, ours: 704, prompt: `${VN}704` },
    { ver: 704, ours: 64, prompt: `${VN}64` },
    // All of 1.37.1, with and without compression, all of 2.9.0.
    { ver: 16_376, ours: 704, prompt: `${VN}704` },
    { ver: 15_352, ours: ALL, prompt: `${VN}4800` },
    { ver: 63_241_208, ours: ALL, prompt: `${VN}21184` },
    { ver: 0xffffffff, ours: ALL, prompt: `${VN}21184` },
  ];
  test.each(cases)("$ver to one that has $ours: $prompt", ({ ver, ours, prompt }) => {
    expect(promptOf(answerTo(ver, false, ours).agreed)).toBe(prompt);
  });

  test("agents of our kind replicate raw values, and need no final ones", () => {
    expect(answerTo(ALL, true, ALL).agreed).toBe(4800);
    expect(answerTo(704 + 16_384, true, ALL).agreed).toBe(704 + 16_384);
  });

  test("nothing that is not supported is ever answered, and what is answered is offered", () => {
    for (let ver = 0; ver < 70_000; ver++) {
      const { agreed } = answerTo(ver, ver % 2 === 0, ALL);
      if (agreed >= 8) expect(agreed & ~(ALL & ver)).toBe(0);
      else expect(agreed).toBeLessThanOrEqual(4);
      // The child takes it.
      expect(agreedBy(agreed, ver)?.agreed).toBe(agreed);
    }
  });
});

describe("what an answer means", () => {
  const nothing = {
    labels: false,
    chartLabels: false,
    variables: false,
    obsolete: false,
    replication: false,
    interpolated: false,
  };
  const old = { ...nothing, labels: true, obsolete: true };
  const bits = { ...nothing, variables: true, obsolete: true };
  const cases: { version: number; offered: number; want: object | null }[] = [
    { version: 1, offered: 704, want: nothing },
    { version: 2, offered: 704, want: old },
    { version: 3, offered: 704, want: old },
    { version: 4, offered: 704, want: { ...old, chartLabels: true } },
    { version: 5, offered: 704, want: null },
    { version: 6, offered: 704, want: null },
    { version: 7, offered: 704, want: null },
    { version: 0, offered: 704, want: null },
    { version: 64, offered: 704, want: bits },
    { version: 704, offered: 704, want: { ...bits, labels: true, chartLabels: true } },
    { version: 4800, offered: 4800, want: { ...bits, labels: true, chartLabels: true, replication: true } },
    {
      version: 21_184,
      offered: 21_184,
      want: { ...bits, labels: true, chartLabels: true, replication: true, interpolated: true },
    },
    { version: 4800, offered: 704, want: null },
    { version: 1024 + 704, offered: 704, want: null },
    { version: 704, offered: 0, want: null },
    { version: 2, offered: 0, want: old },
    { version: 2 ** 32 + 704, offered: 704, want: null },
    { version: 9_999_999_999, offered: 704, want: null },
  ];
  test.each(cases)("$version where $offered was offered", ({ version, offered, want }) => {
    const agreed: object | null = agreedBy(version, offered);
    expect(agreed).toEqual(want === null ? null : { agreed: version, ...want });
  });

  test("a host that keeps nothing offers nothing that is read from a ring", () => {
    expect(ALL).toBe(21_184);
    expect([supported(false, true), supported(false, false)]).toEqual([704, 704]);
    expect(supported(true, false)).toBe(ALL & ~CAPABILITY.replication);
  });

  test("a prompt reads back as its version, whatever follows it", () => {
    for (const version of [1, 2, 3, 4, 64, 704, 4800, 21_184]) {
      const prompt = promptOf(version);
      const answer = readAnswer(Buffer.from(`${prompt}REPLAY_CHART`));
      expect(answer).toEqual({ kind: "accepted", version, length: prompt.length });
    }
  });
});
