// Makes a project with Hardhat, has Hardhat compile its contracts, and runs its script.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { http, token } from "./common.mjs";

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const project = mkdtempSync(path.join(tmpdir(), "entente-hardhat-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));
cpSync(beside("hardhat"), project, { recursive: true });
cpSync(beside("contracts"), path.join(project, "contracts"), { recursive: true });
symlinkSync(path.resolve("node_modules"), path.join(project, "node_modules"));
writeFileSync(path.join(project, "token.json"), JSON.stringify(token()));

const keys = [1, 2, 3].map(() => `0x${randomBytes(32).toString("hex")}`).join(" ");
const own = { HOME: project, NODE_URL: http, NODE_KEYS: keys, HARDHAT_DISABLE_TELEMETRY_PROMPT: "true" };
const options = { cwd: project, env: { ...process.env, ...own }, stdio: ["ignore", "pipe", "inherit"] };
const { status, stdout } = spawnSync("node_modules/.bin/hardhat", ["run", "use.cjs"], options);
// Hardhat says there what it compiles, too.
process.stdout.write(stdout.toString().replace(/^Compiled .*\n/gm, ""));
process.exit(status ?? 1);
