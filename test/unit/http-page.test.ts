import { describe, expect, test } from "bun:test";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { parentAt } from "../http-synth.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";

const NOW = 1_795_301_405;

/** Tags that stay open, and closing tags without one. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, close, tag] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
    if (["meta", "link", "br"].includes(tag!)) continue;
    if (close === "") open.push(tag!);
    else if (open.pop() !== tag) wrong.push(tag!);
  }
  return [...open, ...wrong];
}

function linksOf(html: string): string[] {
  return [...html.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => href!.replaceAll("&amp;", "&"));
}

describe("the page of all hosts", () => {
  const database = parentAt(NOW);
  const api = newApi(database, new FixedClock(NOW + 2));

  test("names every host with its state, worst first, and links to it", async () => {
    database.findHost("child1")!.isConnected = false;
    database.findHost("child1")!.disconnectedUs = (NOW - 100) * 1e6;
    const html = await ask(api, "/").text();
    const rows = [...html.matchAll(/<tr><td>.*?<\/tr>/gs)].map(([row]) =>
      row!.replace(/<[^>]*>/g, " ").replace(/\s+/g, " "),
    );
    expect(rows.map((row) => row.trim().split(" ").slice(0, 3))).toEqual([
      ["■", "offline", "child1"],
      ["●", "online", "parent1"],
      ["●", "online", "synth"],
    ]);
    expect(rows[2]).toContain("1.5 s 2 0.1 linux 2026-11-21 22:50:05 UTC");
    expect(rows[0]).toContain("child1 – 0");
    expect(linksOf(html)).toContain("/host/aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001/");
  });

  test("every link leads somewhere", async () => {
    for (const page of ["/", "/host/synth/"]) {
      const html = await ask(api, page).text();
      expect(unbalanced(html)).toEqual([]);
      for (const link of linksOf(html)) expect(`${link} ${ask(api, link).status}`).toBe(`${link} 200`);
    }
  });

  test("loads nothing, runs nothing, cannot be framed", async () => {
    const response = ask(api, "/");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = response.headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'self'");
    const html = await response.text();
    expect(html).toStartWith("<!doctype html>");
    expect(html).not.toMatch(/<script|<img|<iframe|\bon\w+=|@import|url\(/i);
    expect([...html.matchAll(/(?:src|href)="(?!\/|data:)([^"]*)"/g)]).toEqual([]);
    expect(html).toContain("prefers-color-scheme:dark");
    expect([...html.matchAll(/<h1>/g)].length).toBe(1);
  });
});

describe("the page of one host", () => {
  test("lists its charts by section with links to their data", async () => {
    const api = newApi(parentAt(NOW), new FixedClock(NOW + 1));
    const html = await ask(api, "/host/synth/").text();
    expect(html).toContain("<h2>demo</h2>");
    expect(html).toContain("Room temperature");
    const csv = linksOf(html).find((link) => link.includes("demo.temp&") && link.endsWith("format=csv"))!;
    expect(await ask(api, csv).text()).toStartWith("time,const5,negative,zero,frac,inc\r\n2026-11-21 ");
  });

  test("text from children is never markup", async () => {
    const database = newDatabase();
    const host = addHost(database, `<script>alert("h")</script>`, "1", { isLocal: true });
    host.version = "</style><b>";
    host.os = `"><img src=x>`;
    const dimensions = [{ id: "a" }];
    storeChart(host, {
      id: `t.<i>"&`,
      title: "<u>x</u>",
      units: "'<b>'",
      updateEverySec: 1,
      dimensions,
      rows: [[NOW, 1]],
    });
    const api = newApi(database, new FixedClock(NOW + 1));
    for (const path of ["/", "/host/localhost/"]) {
      const html = await ask(api, path).text();
      expect(html).not.toMatch(/<script|<img|<i>|<u>|<b>/);
      expect(unbalanced(html)).toEqual([]);
      for (const link of linksOf(html)) expect(`${link} ${ask(api, link).status}`).toBe(`${link} 200`);
    }
  });

  test("says why there is nothing to see", async () => {
    const database = newDatabase();
    addHost(database, "fresh", "1", { isLocal: true });
    addHost(database, "relay", "2", { memoryMode: "none" });
    const api = newApi(database, new FixedClock(NOW));
    expect(await ask(api, "/host/fresh/").text()).toContain("No charts yet");
    expect(await ask(api, "/host/relay/").text()).toContain("memory mode none");
  });

  test("an agent without a host of its own still has a page", async () => {
    expect(ask(newApi(newDatabase(), new FixedClock(NOW)), "/").status).toBe(200);
    expect(ask(newApi(newDatabase(), new FixedClock(NOW)), "/api/v1/info").status).toBe(404);
  });
});
