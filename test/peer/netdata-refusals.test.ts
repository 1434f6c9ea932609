import { describe, expect } from "bun:test";
import { reportOf } from "./agent-report.ts";
import { type Lab, peerTest } from "./peer.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

const OWN_GUID = "aaaaaaaa-0000-0000-0000-000000000001";
const CHILD_GUID = "aaaaaaaa-0000-0000-0000-000000000002";
const DISABLED_GUID = "aaaaaaaa-0000-0000-0000-000000000003";
const ELSEWHERE_GUID = "aaaaaaaa-0000-0000-0000-000000000004";
const DISABLED_KEY = "22222222-2222-3333-4444-555555555555";
const ELSEWHERE_KEY = "33333333-2222-3333-4444-555555555555";
const UNKNOWN_KEY = "44444444-2222-3333-4444-555555555555";

const PARENT = `
[agent]
machine_guid = "${OWN_GUID}"
[collector]
enabled = false
[api_key."${NETDATA_KEY}"]
enabled = true
[api_key."${DISABLED_KEY}"]
enabled = false
[api_key."${ELSEWHERE_KEY}"]
enabled = true
allow_from = "10.0.0.0/8"
[machine."${DISABLED_GUID}"]
enabled = false
[machine."${ELSEWHERE_GUID}"]
allow_from = "10.0.0.0/8"
`;

/** The texts of streaming.md §1.4, byte for byte. */
const NOT_PERMITTED = "You are not permitted to access this. Check the logs for more info.";
const OWN = "Don't hit me baby, you are trying to stream my localhost back";
const DUPLICATE = "This GUID is already streaming to this server";
const BUSY = "The server is too busy now to accept this request. Try later.";

function query(fields: Record<string, string>): string {
  const all = {
    key: NETDATA_KEY,
    hostname: "raw",
    machine_guid: CHILD_GUID,
    os: "linux",
    update_every: "1",
    ...fields,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

async function ask(
  lab: Lab,
  port: number,
  fields: Record<string, string>,
): Promise<{ answer: string; child: RawChild }> {
  const child = lab.use(await RawChild.connect(port));
  return { answer: await child.ask(query(fields)), child };
}

describe("our parent refuses", () => {
  const rows = [
    { fields: { key: "" }, wire: NOT_PERMITTED, refusal: "no_key" },
    { fields: { hostname: "" }, wire: NOT_PERMITTED, refusal: "no_hostname" },
    { fields: { machine_guid: "" }, wire: NOT_PERMITTED, refusal: "no_machine_guid" },
    { fields: { key: "secret" }, wire: NOT_PERMITTED, refusal: "key_invalid" },
    { fields: { machine_guid: "zzz" }, wire: NOT_PERMITTED, refusal: "machine_guid_invalid" },
    { fields: { key: UNKNOWN_KEY }, wire: NOT_PERMITTED, refusal: "key_unknown" },
    { fields: { key: DISABLED_KEY }, wire: NOT_PERMITTED, refusal: "key_not_permitted" },
    { fields: { key: ELSEWHERE_KEY }, wire: NOT_PERMITTED, refusal: "key_address_not_permitted" },
    { fields: { machine_guid: DISABLED_GUID }, wire: NOT_PERMITTED, refusal: "machine_not_permitted" },
    { fields: { machine_guid: ELSEWHERE_GUID }, wire: NOT_PERMITTED, refusal: "machine_address_not_permitted" },
    { fields: { machine_guid: OWN_GUID }, wire: OWN, refusal: "own_guid" },
    { fields: { machine_guid: OWN_GUID.toUpperCase() }, wire: OWN, refusal: "own_guid" },
    { fields: { hops: "11" }, wire: NOT_PERMITTED, refusal: "too_many_hops" },
  ];

  peerTest("with the very bytes of netdata, and says why in its log", {}, async (lab) => {
    const parent = await lab.agent({ config: PARENT });
    for (const { fields, wire, refusal } of rows) {
      const { answer, child } = await ask(lab, parent.port, fields);
      expect({ fields, answer, isClosed: child.isClosed }).toEqual({ fields, answer: wire, isClosed: true });
      const line = `receiver.stream_refused refused="127.0.0.1 ${refusal}"`;
      await waitFor(`${line} in the log`, 5000, () => parent.log().includes(line));
    }
    const log = parent.log();
    expect(log).toContain('reason="Your API key is not permitted access from this address."');
    for (const key of [UNKNOWN_KEY, DISABLED_KEY, ELSEWHERE_KEY]) expect(log).not.toContain(key);
    const { hosts, refusals } = await reportOf(parent);
    expect(hosts).toHaveLength(1);
    // The GUID in capitals is the same one once more.
    const reasons = [...new Set(rows.map(({ refusal }) => refusal))];
    expect(refusals.map(({ reason }) => reason).reverse()).toEqual(reasons);
  });

  peerTest("a second child of one machine GUID, and takes it once the first is gone", {}, async (lab) => {
    const parent = await lab.agent({ config: PARENT });
    const first = await ask(lab, parent.port, {});
    expect(first.answer).toBe(PROMPT);
    const second = await ask(lab, parent.port, { hostname: "clone", machine_guid: CHILD_GUID.toUpperCase() });
    expect(second).toMatchObject({ answer: DUPLICATE, child: { isClosed: true } });
    expect(parent.log()).toMatch(/refused="127.0.0.1 duplicate" .*hostname=clone .*streaming_as=raw/);
    first.child.end();
    const again = async () => (await ask(lab, parent.port, { key: NETDATA_KEY.toUpperCase() })).answer === PROMPT;
    await waitFor("the GUID to be free", 5000, again);
  });

  peerTest("more returning children a second than it may take", {}, async (lab) => {
    const parent = await lab.agent({ config: `${PARENT}\n[stream]\naccept_per_second_max = 1\n` });
    const answers = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        return (await ask(lab, parent.port, { machine_guid: `${CHILD_GUID.slice(0, -1)}${index + 5}` })).answer;
      }),
    );
    // Two seconds may have begun meanwhile.
    expect(answers.filter((answer) => answer === PROMPT).length).toBeWithin(1, 3);
    expect(new Set(answers)).toEqual(new Set([PROMPT, BUSY]));
  });

  peerTest(
    "real children, which understand every answer",
    { needs: ["netdata"] },
    async (lab) => {
      const parent = await lab.agent({ config: PARENT });
      const to = `127.0.0.1:${parent.port}`;
      const accepted = await lab.netdata({ role: "child", parent: to, machineGuid: CHILD_GUID });
      await waitFor("the first child", 10_000, async () => (await reportOf(parent)).receivers.length === 1);
      const refused = [
        { options: { key: UNKNOWN_KEY }, says: "remote server denied access" },
        { options: { machineGuid: DISABLED_GUID }, says: "remote server denied access" },
        { options: { machineGuid: OWN_GUID }, says: "the host we are trying to stream is its localhost" },
        { options: { machineGuid: CHILD_GUID }, says: "the host we are trying to stream is already streamed to it" },
      ];
      const children = await Promise.all(
        refused.map(({ options }) => lab.netdata({ role: "child", parent: to, ...options })),
      );
      for (const [index, child] of children.entries()) {
        const { says } = refused[index]!;
        await waitFor(`a real child to say "${says}"`, 20_000, async () => (await child.log()).includes(says));
      }
      const { receivers } = await reportOf(parent);
      expect(receivers.map(({ guid }) => guid)).toEqual([CHILD_GUID]);
      expect(await accepted.log()).toContain("established");
    },
    90_000,
  );
});

describe("our child, refused by a real netdata 1.37.1", () => {
  const refusals = [
    {
      name: "key not enabled",
      key: UNKNOWN_KEY,
      guid: CHILD_GUID,
      reason: "not_permitted",
      answer: NOT_PERMITTED,
      text: "not permitted: is key …5555 enabled at the parent",
    },
    {
      name: "the parent's own GUID",
      key: NETDATA_KEY,
      guid: OWN_GUID,
      reason: "own_guid",
      answer: OWN,
      text: "the parent has this machine GUID (…0001) itself",
    },
    {
      name: "GUID in use",
      key: NETDATA_KEY,
      guid: DISABLED_GUID,
      reason: "already_streaming",
      answer: DUPLICATE,
      text: "the parent is receiving this machine GUID (…0003) already",
    },
  ];

  peerTest(
    "says so once, in log and status, and keeps away as long as it should",
    { needs: ["netdata"] },
    async (lab) => {
      const parent = await lab.netdata({ role: "parent", machineGuid: OWN_GUID });
      const holder = await ask(lab, parent.port, { machine_guid: DISABLED_GUID });
      expect(holder.answer).toBe(PROMPT);
      const children = await Promise.all(
        refusals.map(async ({ key, guid }) => {
          const relay = lab.use(await Relay.open(parent.port));
          const child = await lab.agent({
            config: `
[agent]
machine_guid = "${guid}"
[stream]
enabled = true
destination = "127.0.0.1:${relay.port}"
api_key = "${key}"
reconnect_delay_seconds = 1
`,
          });
          return { relay, child };
        }),
      );
      for (const [index, { child, relay }] of children.entries()) {
        const { reason, answer, text } = refusals[index]!;
        const [link] = await waitFor(`${reason} in the status`, 15_000, async () => {
          // The link is tried before the first values are there to be lost.
          const { links } = await reportOf(child);
          return links[0]?.error != null && links[0].account.offered > 0 && links;
        });
        expect(link).toMatchObject({ state: "error", to: `127.0.0.1:${relay.port}` });
        expect(link!.error).toStartWith(text);
        expect(child.log()).toContain(answer);
        expect(child.log()).toMatch(new RegExp(`error pusher\\.rejected .*reason=${reason} `));
        expect(link!.account.lost["refused"]).toBeGreaterThan(0);
      }
      // Its reconnect delay is 1 s, but a parent that refused is asked again after 10 s at the earliest.
      await Bun.sleep(5000);
      for (const { relay, child } of children) {
        expect(relay.streams).toHaveLength(1);
        expect(child.log().match(/pusher\.rejected/g)).toHaveLength(1);
        expect(child.log().match(/pusher\.values_discarded/g)).toHaveLength(1);
      }
      // "Already streaming" may be our own last connection: that one is tried again soon.
      holder.child.end();
      const { child, relay } = children[2]!;
      await waitFor("the second attempt", 15_000, async () => (await reportOf(child)).links[0]!.state === "connected");
      expect(relay.streams).toHaveLength(2);
    },
  );
});
