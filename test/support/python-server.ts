/** A Python process that answers any number of questions, as to import PyTorch takes seconds. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { command } from "./python.ts";

/** What a script needs to answer: `serve(answer)` calls the function with each question, one after the other. */
const SERVE = `
import json, sys

def serve(answer):
    for line in sys.stdin:
        try:
            reply = {"answer": answer(json.loads(line))}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)

`;

export class PythonServer {
  readonly #script: string;
  readonly #modules: readonly string[];
  readonly #args: readonly string[];
  #process: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #lines: AsyncIterator<string> | undefined;

  /**
   * Runs a script that ends with `serve(…)`, by the first interpreter that has all of these modules. It starts when first
   * asked, and ends with this process.
   */
  constructor(script: string, modules: readonly string[], args: readonly string[] = []) {
    this.#script = SERVE + script;
    this.#modules = modules;
    this.#args = args;
  }

  /** Asks one question at a time. Throws Python's error. */
  async ask<T>(question: object): Promise<T> {
    this.#process ??= this.#start();
    this.#lines ??= createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#process.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("Python ended; its message is above");
    const { answer, error } = JSON.parse(value) as { answer: T; error?: string };
    if (error) throw new Error(`Python: ${error}`);
    return answer;
  }

  #start(): ChildProcessByStdio<Writable, Readable, null> {
    const { path, words } = command(this.#script, { modules: this.#modules, args: this.#args });
    return spawn(path, words, { stdio: ["pipe", "pipe", "inherit"] });
  }
}
