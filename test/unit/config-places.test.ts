import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import type { ConfigPath } from "../../agent/config/shape.ts";
import { TomlPlaces } from "../../agent/config/toml-places.ts";

/** Each row: a text with `«` before the key and `»` before the value of the path looked for. */
const cases: { what: string; marked: string; path: ConfigPath }[] = [
  { what: "a key", marked: "[db]\n  «history = »5\n", path: ["db", "history"] },
  { what: "a table", marked: "[agent]\n[ «»db ]\nhistory = 5", path: ["db"] },
  { what: "a dotted key", marked: "db.«history = »5", path: ["db", "history"] },
  { what: "the table of a dotted key", marked: "«»db.history = 5", path: ["db"] },
  { what: "a dotted header", marked: "[exporter . «»main]\ntype = 'x'", path: ["exporter", "main"] },
  {
    what: "a key under a dotted header",
    marked: "[a.b]\n[exporter.main]\n«type = »'x'",
    path: ["exporter", "main", "type"],
  },
  { what: "a quoted key", marked: `«"his\\u0074ory" = »5`, path: ["history"] },
  { what: "a literal key", marked: "'a.b'.«'c d' = »5", path: ["a.b", "c d"] },
  { what: "a quoted header", marked: `[api_key.«»"1-2"] # x\n`, path: ["api_key", "1-2"] },
  { what: "an inline table", marked: "agent = { a = 1, «b = »2 }", path: ["agent", "b"] },
  {
    what: "an inline table in another",
    marked: "agent = { labels = {x='}', «y = »'1'} }",
    path: ["agent", "labels", "y"],
  },
  { what: "a dotted key in an inline table", marked: "agent = {labels.«y = »'1'}", path: ["agent", "labels", "y"] },
  { what: "an entry of an array", marked: "a = ['x', «»'y', 'z']", path: ["a", 1] },
  { what: "an entry of an array over lines", marked: "a = [ # [\n 'x', # ',\n\n «»'y',\n]", path: ["a", 1] },
  { what: "a key after an array", marked: "a = [1, [2, 3], {b = 4}]\n«c = »5", path: ["c"] },
  { what: "a table in an array", marked: "a = [{b = 3}, {«b = »4}]", path: ["a", 1, "b"] },
  { what: "a key after a long string", marked: `a = """\nb = 1\n""\\"""""\n«b = »2`, path: ["b"] },
  { what: "a key after a long literal", marked: "a = '''\n[x]\nb = 1'''\n«b = »2", path: ["b"] },
  { what: "a key after an escaped quote", marked: `a = "x\\" # \\\\"\n«b = »2`, path: ["b"] },
  { what: "a key after comments", marked: "# b = 1\n\n  # [c]\n«b = »2 # b = 3", path: ["b"] },
  { what: "a key after a date", marked: "a = 2020-01-01 10:00:00 \n«b = »2", path: ["b"] },
  { what: "a table's own header, not its name in an earlier one", marked: "[a.b]\n[«»a]\nc = 1", path: ["a"] },
  { what: "the first of an array of tables", marked: "[[«»a]]\nb = 1\n[[a]]\nb = 2", path: ["a"] },
  { what: "a key in a file with CRLF", marked: "[a]\r\nb = 1\r\n«c = »2\r\n", path: ["a", "c"] },
  { what: "a key after a byte order mark", marked: "\ufeff«a = »1", path: ["a"] },
];

describe("TomlPlaces finds", () => {
  test.each(cases)("$what", ({ marked, path }) => {
    const key = marked.indexOf("«");
    const value = marked.indexOf("»") - 1;
    const text = marked.replace("«", "").replace("»", "");
    expect(() => parse(text)).not.toThrow();
    const place = new TomlPlaces(text).at(path);
    expect({ key: place?.key, value: place?.value }).toEqual({ key, value });
  });

  test("the whole of a value", () => {
    const text = 'a = ["x", "y"]   # end\nb = true # c\nc = { d = 1 }';
    const places = new TomlPlaces(text);
    const written = (path: ConfigPath) => text.slice(places.at(path)?.value, places.at(path)?.end);
    expect([written(["a"]), written(["b"]), written(["c"]), written(["a", 1])]).toEqual([
      '["x", "y"]',
      "true",
      "{ d = 1 }",
      '"y"',
    ]);
  });

  test("the innermost table around a key that is not there", () => {
    const places = new TomlPlaces("[exporter.main]\n");
    expect(places.nearest(["exporter", "main", "type"])?.key).toBe("[exporter.".length);
    expect(places.nearest(["exporter", "other"])?.key).toBe(1);
    expect(places.nearest(["web"])).toBeUndefined();
  });

  test("nothing in a text that is not TOML, without stumbling", () => {
    for (const text of ["[", "]", "= =", "a = [", "a = {", '"""', "[[[", "a = {b", "a = [1,,2", "\\", "a = '", '"a']) {
      expect(() => new TomlPlaces(text)).not.toThrow();
    }
  });
});
