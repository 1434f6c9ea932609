import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };

const MAIN = join(import.meta.dir, "../../agent/main.ts");

function tributary(...args: string[]): { code: number; out: string; err: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, ...args]);
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe("the command line, run from source", () => {
  test("version", () => {
    const line = `tributary ${manifest.version} (source, Bun ${Bun.version})\n`;
    expect(tributary("version")).toEqual({ code: 0, out: line, err: "" });
    expect(tributary("--version")).toEqual({ code: 0, out: line, err: "" });
  });

  test("help names every verb, and help VERB its use", () => {
    const { code, out } = tributary("help");
    expect(code).toBe(0);
    const verbs = [...out.matchAll(/^ {2}(\w+)/gm)].map((match) => match[1] ?? "");
    expect(verbs).toEqual(expect.arrayContaining(["version", "licenses", "help"]));
    for (const verb of verbs) expect(tributary("help", verb).out).toStartWith(`usage: tributary ${verb}`);
  }, 30_000);

  test.each(["run", "config", "status", "db", "demo", "key"])("--help behind %s shows what help %s shows", (verb) => {
    expect(tributary(verb, "--help")).toEqual(tributary("help", verb));
  });

  test("an agent that is not there: says so, and what to do", () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = listener;
    listener.stop(true);
    const { code, err } = tributary("status", `127.0.0.1:${port}`);
    expect(code).toBe(1);
    expect(err).toContain(`http://127.0.0.1:${port}/api/v1/agent: connection refused`);
    expect(err).toContain("hint: is the agent running?");
  });

  test("a database that is not there: says so, and where to look", () => {
    const { code, out, err } = tributary("db", "stat", "/nonexistent/state");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toStartWith(
      "tributary: /nonexistent/state: no such directory\n  hint: give the agent's state directory",
    );
  });

  test("licenses, whole, also into a pipe that is read late", async () => {
    const whole = tributary("licenses").out;
    expect(whole.length).toBeGreaterThan(65_536); // more than a pipe holds
    const child = Bun.spawn(["bash", "-c", '"$0" "$1" licenses | (read -r -n 1 first; wc -c)', process.execPath, MAIN]);
    expect(Number(await child.stdout.text())).toBe(Buffer.byteLength(whole) - 1);
  });

  test.each([
    { args: ["nonsense"], says: 'unknown verb "nonsense"' },
    { args: ["__proto__"], says: 'unknown verb "__proto__"' },
    { args: ["help", "nonsense"], says: 'unknown verb "nonsense"' },
    { args: ["version", "now"], says: 'unexpected "now"' },
    { args: ["licenses", "all"], says: 'unexpected "all"' },
    { args: ["statsu"], says: 'did you mean "status"?' },
    { args: ["run", "--lisen", "*"], says: 'unknown option "--lisen", did you mean "--listen"?' },
    { args: ["--config"], says: 'option "--config" needs a value; "tributary help run" shows its use' },
    { args: ["-config", "x"], says: 'unknown option "-config", did you mean "--config"?' },
    { args: ["status", "--json=yes"], says: 'unknown option "--json=yes"' },
    { args: ["status", "nowhere:99999"], says: '"nowhere:99999" is not an address' },
    { args: ["db"], says: "say what to do with the database" },
    { args: ["db", "repair"], says: 'unknown verb "db repair"; "tributary help db" shows its use' },
    { args: ["db", "stat", "/a", "/b"], says: 'unexpected "/b"' },
    { args: ["db", "export", "--chrat", "x"], says: 'did you mean "--chart"?' },
    {
      args: ["db", "export", "--after", "soon"],
      says: "--after takes a time such as 2026-11-28T05:30, 1795843800 or -2h",
    },
    { args: ["db", "export", "--after", "-1h", "--before", "-2h"], says: "--after is later than --before" },
    { args: ["db", "export", "--format", "xml"], says: "--format takes csv or jsonl" },
    { args: ["demo", "--seconds", "3"], says: "--seconds takes a whole number from 10" },
  ])("wrong use ends with 2: $args", ({ args, says }) => {
    const { code, out, err } = tributary(...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(says);
  });
});
