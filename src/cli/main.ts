#!/usr/bin/env node
import { run } from "./program.ts";
import { watchOutput } from "./support.ts";

watchOutput();
await run(process.argv.slice(2));
