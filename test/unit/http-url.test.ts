import { describe, expect, test } from "bun:test";
import { acceptsGzip } from "../../agent/http/deliver.ts";
import { escapeEcho } from "../../agent/http/escape.ts";
import { decodeText, Parameters, parseTarget } from "../../agent/http/url.ts";

describe("parseTarget", () => {
  test.each([
    { url: "http://h:1/api/v1/data?chart=x", path: "api/v1/data", search: "?chart=x" },
    { url: "/api/v1/data?chart=x", path: "api/v1/data", search: "?chart=x" },
    { url: "http://h//api///v1//data", path: "api/v1/data", search: "" },
    { url: "http://h/", path: "", search: "" },
    { url: "http://h", path: "", search: "" },
    { url: "http://h?x=1", path: "", search: "?x=1" },
    { url: "/a%20b+c", path: "a b c", search: "" },
    { url: "/x?u=http://y/z", path: "x", search: "?u=http://y/z" },
    { url: "/x#f?g=1", path: "x", search: "" },
    { url: "/host/q/", path: "host/q/", search: "" },
  ])("$url", ({ url, path, search }) => {
    const target = parseTarget(url);
    expect([target.path, target.search]).toEqual([path, search]);
  });
});

describe("decodeText decodes once and never fails", () => {
  test.each([
    ["a+b%20c", "a b c"],
    ["%zz%4", "%zz%4"],
    ["100%", "100%"],
    ["%41%6a", "Aj"],
    ["%2541", "%41"],
    ["gr%C3%BC%C3%9F", "grüß"],
    ["%ff", "\ufffd"],
    ["ü%20", "ü "],
  ])("%s → %s", (text, expected) => expect(decodeText(text)).toBe(expected));
});

describe("Parameters", () => {
  const parameters = new Parameters("a=1&b=&c&a=2&d=x%26y&e=+7z&f=-12&g=99999999999999999999&h=yes&i=0&j=zz&%6b=1&&=x");

  test("the last value counts, empty ones do not", () => {
    expect(parameters.get("a")).toBe("2");
    expect(parameters.all("a", "d")).toEqual(["1", "2", "x&y"]);
    expect(parameters.get("b")).toBeUndefined();
    expect(parameters.get("b", "d")).toBe("x&y");
    expect(parameters.get("k")).toBe("1");
  });

  test("bare words are there", () => {
    expect([parameters.has("c"), parameters.has("b"), parameters.has("z")]).toEqual([true, true, false]);
  });

  test("integers are read as C reads them", () => {
    const read = (name: string) => parameters.integer(name, -600);
    expect([read("a"), read("e"), read("f"), read("g"), read("j"), read("b"), read("nosuch")]).toEqual([
      2, 7, -12, 1e12, 0, -600, -600,
    ]);
  });

  test("flags", () => {
    const read = (name: string) => parameters.flag(name, true);
    expect([read("h"), read("a"), read("i"), read("j"), read("b")]).toEqual([true, false, false, false, true]);
  });
});

test.each([
  ["gzip", true],
  ["deflate, gzip;q=0.5", true],
  ["GZIP", true],
  ["gzip;q=0", false],
  ["gzip; q=0.000, br", false],
  ["br, gzipped", false],
  ["", false],
])("Accept-Encoding %s: %p", (header, expected) => expect(acceptsGzip(header)).toBe(expected));

test("what a request says is repeated escaped, on one line, and cut", () => {
  expect(escapeEcho(`<a href="x">'&/\r\n`)).toBe("&lt;a href=&quot;x&quot;&gt;&#x27;&amp;&#x2F;  ");
  expect(escapeEcho("x".repeat(5000)).length).toBe(200);
});
