#!/usr/bin/env node
import { useHugePages } from "./huge-pages.ts";
import { run } from "./program.ts";
import { watchOutput } from "./support.ts";

const args = process.argv.slice(2);
if (args[0] === "train") useHugePages();
watchOutput();
await run(args);
