/**
 * Makes a checkout ready: afterwards everything `bun.lock` pins is in `node_modules`, Bun itself included.
 * Runs under plain Node (or Bun) and needs nothing installed but npm; does nothing, and needs no network, when all is
 * there. Every `npm` script that needs packages starts with it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const BUN = join(MODULES, "bun/bin/bun.exe");
const STAMP = join(MODULES, ".tributary-installed");
const NODE_MAJOR_MIN = 20;

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const lock = readFileSync(join(ROOT, "bun.lock"), "utf8");
const wanted = createHash("sha256")
  .update(JSON.stringify([manifest.dependencies, manifest.devDependencies]))
  .update(lock);
const wantedStamp = wanted.digest("hex");

if (!process.versions.bun && Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN)
  fail(`Node.js ${process.versions.node} is too old, version ${NODE_MAJOR_MIN} or later is needed`);
if (!isInstalled()) install();

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === wantedStamp && bunVersion(BUN) === pinnedBun();
}

function install() {
  say("installing what bun.lock pins; the first time this needs the network …");
  const bun = findBun() ?? seedBun();
  const result = run(bun, ["install", "--frozen-lockfile"], ROOT);
  if (result.status !== 0) fail(`bun install failed:\n${result.text}`);
  // A Bun that was seeded has not been put in its place by its own install script yet.
  if (bunVersion(BUN) !== pinnedBun()) run(process.execPath, ["install.js"], join(MODULES, "bun"));
  if (bunVersion(BUN) !== pinnedBun())
    fail(`Bun ${pinnedBun()} does not run from ${BUN}; delete node_modules and try again`);
  writeFileSync(STAMP, wantedStamp);
}

function pinnedBun() {
  return manifest.devDependencies.bun;
}

/** A Bun of the pinned version that is already here, or the one this script runs under. */
function findBun() {
  const places = [BUN, ...platformBuns(MODULES)];
  if (process.versions.bun) places.push(process.execPath);
  return places.find((path) => (path === process.execPath ? true : bunVersion(path) === pinnedBun()));
}

/** Gets the pinned Bun through npm, checks it against bun.lock, and starts node_modules with it. */
function seedBun() {
  const folder = join(ROOT, ".tools/bun");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const seed = { name: "tributary-bun", private: true, dependencies: { bun: pinnedBun() } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(seed));
  const options = ["--ignore-scripts", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
  const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"];
  const result = run("npm", ["install", ...options, ...patience], folder);
  if (result.status !== 0) fail(`npm could not get Bun ${pinnedBun()}:\n${result.text}`);
  const modules = join(folder, "node_modules");
  checkIntegrity(join(modules, ".package-lock.json"));
  mkdirSync(MODULES, { recursive: true });
  for (const name of ["bun", "@oven"]) {
    rmSync(join(MODULES, name), { recursive: true, force: true });
    renameSync(join(modules, name), join(MODULES, name));
  }
  rmSync(folder, { recursive: true, force: true });
  const bun = platformBuns(MODULES).find((path) => bunVersion(path) === pinnedBun());
  return bun ?? fail(`there is no Bun ${pinnedBun()} for ${process.platform} ${process.arch}`);
}

/** What npm fetched must be what bun.lock names; both keep the same hash of the package. */
function checkIntegrity(npmRecord) {
  const { packages } = JSON.parse(readFileSync(npmRecord, "utf8"));
  for (const [path, { integrity }] of Object.entries(packages))
    if (!lock.includes(`"${integrity}"`)) fail(`${path} is not the package that bun.lock pins`);
}

function platformBuns(modules) {
  const folder = join(modules, "@oven");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => join(folder, name, "bin/bun"));
}

function bunVersion(path) {
  if (!existsSync(path)) return "";
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : "";
}

function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  return { status, text: `${error ? `${error.message}\n` : ""}${stdout ?? ""}${stderr ?? ""}`.trim() };
}

function say(text) {
  process.stderr.write(`tributary: ${text}\n`);
}

function fail(text) {
  const isOffline =
    /ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|ConnectionRefused|DNSResolve|FailedToOpenSocket/i.test(text);
  if (isOffline)
    say("nothing is installed yet and the network cannot be reached. Connect once and run the same command again.");
  else say(text);
  process.exit(1);
}
