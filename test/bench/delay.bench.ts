import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Delay between a value written to the socket and the value committed in the parent's ring, over loopback:
// bun delay.bench.ts [SECONDS]. A stamp travels as the value itself; the parent is asked over HTTP until it has it.
const seconds = Number(process.argv[2] ?? 60);
const KEY = "11111111-2222-3333-4444-555555555555";
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
const config = join(directory, "bench.toml");
writeFileSync(
  config,
  `[agent]\nstate_dir = ${JSON.stringify(directory)}\n[web]\nlisten = "127.0.0.1:0"\n[api_key."${KEY}"]\nenabled = true\n`,
);
const agent = Bun.spawn([join(import.meta.dir, "../../dist/tributary"), "run", "--config", config], {
  stdout: "pipe",
  stderr: "ignore",
});
let text = "";
for await (const chunk of agent.stdout) {
  text += new TextDecoder().decode(chunk);
  if (text.includes("\n")) break;
}
const url = / ready on (\S+) /.exec(text)?.[1] ?? "";
const accepted = Promise.withResolvers<void>();
const socket = await Bun.connect({
  hostname: "127.0.0.1",
  port: Number(new URL(url).port),
  socket: { data: () => accepted.resolve(), error: (_, error) => accepted.reject(error) },
});
const guid = "aaaaaaaa-0000-0000-0000-00000000dddd";
socket.write(`STREAM key=${KEY}&hostname=delay&machine_guid=${guid}&os=linux&update_every=1 HTTP/1.1\r\n\r\n`);
await accepted.promise;
socket.write(
  'CHART "delay.stamp" "" "Delay" "ms" "delay" "delay.stamp" "line" 1 1\nDIMENSION "stamp" "" "absolute" 1 1\n',
);

const query = `${url}/host/${guid}/api/v1/allmetrics?format=prometheus&source=as-collected&timestamps=no`;
async function askUntil(value: number): Promise<number> {
  for (;;) {
    const before = performance.now();
    const body = await (await fetch(query)).text();
    // The parent had the value at the latest when it began to answer.
    if (body.includes(` ${value}\n`)) return before;
  }
}
const delaysMs: number[] = [];
for (let second = 0; second < seconds; second++) {
  await Bun.sleep(1000 - (Date.now() % 1000) + 300);
  const value = 1_000_000 + second;
  const sentMs = performance.now();
  socket.write(`BEGIN delay.stamp ${second < 2 ? 0 : 1_000_000}\nSET stamp = ${value}\nEND\n`);
  delaysMs.push(Math.max(0, (await askUntil(value)) - sentMs));
}
delaysMs.sort((a, b) => a - b);
const at = (share: number) => delaysMs[Math.min(delaysMs.length - 1, Math.floor(delaysMs.length * share))]!.toFixed(2);
process.stdout.write(
  `written to the socket → committed and visible: median ≤ ${at(0.5)} ms, p99 ≤ ${at(0.99)} ms (${seconds} values; an upper bound, one HTTP request is in it)\n`,
);
socket.end();
agent.kill();
await agent.exited;
rmSync(directory, { recursive: true, force: true });
