/**
 * Runs commands one after the other in one process, as to start Node and to load the library takes longer than most of them do.
 *
 * Arguments: the built command, dist/bundle/cli/main.js, and a folder with two named pipes, in which a command is asked for and its exit
 * code is answered; see servers.ts and run.ts.
 */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [cli, folder] = process.argv.slice(2);
// ends with the process that started it
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();

const { run } = await import(pathToFileURL(join(dirname(cli), "program.js")).href);

for (;;) {
  const { args, cwd, env } = JSON.parse(await readFile(join(folder, "ask"), "utf8"));
  process.argv = [process.execPath, cli, ...args];
  process.env = env;
  process.chdir(cwd);
  process.exitCode = undefined;
  await run(args);
  await writeFile(join(folder, "answer"), String(process.exitCode ?? 0));
}
