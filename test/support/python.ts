/** Python as the reference: scripts with JSON or text in and out. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Interpreters, the preferred first: the one with a current PyTorch, which .ci/run installs into .cache/torch, then Debian's, which
 * has torchvision and onnx as packages. A script is run by the first that has the modules it needs.
 */
export const INTERPRETERS: readonly string[] = [
  process.env.PYTHON_TORCH ?? fileURLToPath(new URL("../../.cache/torch/bin/python", import.meta.url)),
  process.env.PYTHON ?? "/usr/bin/python3",
];

export interface PythonOptions {
  /** Modules that it needs besides those that it imports at the start of a line. */
  readonly modules?: readonly string[];
  /** Arguments, `sys.argv[1:]` in the script. */
  readonly args?: readonly string[];
  /** What the script reads from standard input. */
  readonly input?: string | Uint8Array;
}

/** Runs a script and returns what it prints. Throws with Python's traceback where it fails. */
export function python(script: string, { modules = [], args = [], input = "" }: PythonOptions = {}): string {
  const { path, words } = command(script, { modules, args });
  const { status, signal, error, stdout, stderr } = spawnSync(path, words, {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${path} ended with ${status ?? signal}:\n${stderr}`);
  return stdout;
}

/** Environment variable with the folder of the sockets that pythons.ts listens at, one for each interpreter. */
export const SOCKETS = "CONVNETS_PYTHONS";

/** Has a script run by fork.py, with the streams of this process, and ends as it does. */
const ASK = `
import array, json, os, socket, sys
path, script, modules, *args = sys.argv[1:]
request = json.dumps({"script": script, "args": args, "folder": os.getcwd(), "modules": modules.split()}).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(path)
    streams = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    server.sendmsg([len(request).to_bytes(8, "little")], [streams])
    server.sendall(request)
    status = server.recv(8)
sys.exit(int(status) if status else "the process of the script was ended")
`;

/** What to start so that a script runs: its interpreter, which a process that has imported the modules already stands in for. */
export function command(
  script: string,
  { modules = [], args = [] }: Omit<PythonOptions, "input"> = {},
): { path: string; words: string[] } {
  const needed = [...new Set([...importsOf(script), ...modules])];
  const path = interpreter(needed);
  const folder = process.env[SOCKETS];
  if (!folder) return { path, words: ["-c", script, ...args] };
  const socket = join(folder, String(INTERPRETERS.indexOf(path)));
  return { path, words: ["-ISc", ASK, socket, script, needed.join(" "), ...args] };
}

/** The first interpreter that has all of these modules. Throws where there is none. */
export function interpreter(modules: readonly string[]): string {
  const path = INTERPRETERS.find((path) => missing(path, modules).length === 0);
  if (!path) throw new Error(pythonSkipReason(...modules));
  return path;
}

/** Why a test that needs these Python modules cannot run; undefined where an interpreter has all of them. */
export function pythonSkipReason(...modules: string[]): string | undefined {
  if (INTERPRETERS.some((path) => missing(path, modules).length === 0)) return undefined;
  const path = INTERPRETERS.findLast((path) => missing(path, []).length === 0);
  if (!path) return `there is no ${INTERPRETERS.at(-1)}`;
  return `${path} has no ${missing(path, modules).join(", no ")}`;
}

/** Modules of `import a, b.c as d` and `from e import f`, where they are not indented. */
function importsOf(script: string): string[] {
  return [...script.matchAll(/^(?:import|from) ([^;\n]+?)(?: import .*)?(?:;.*)?$/gm)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.trim().split(/[ .]/)[0]!),
  );
}

const answers = new Map<string, readonly string[]>();

/** Those of the modules that an interpreter does not have. To look for them takes less time than to import them. */
function missing(path: string, modules: readonly string[]): readonly string[] {
  const key = [path, ...modules].join(" ");
  let answer = answers.get(key);
  if (!answer) {
    const script = "import sys, importlib.util as u; print(*(m for m in sys.argv[1:] if u.find_spec(m) is None))";
    const { status, stdout } = spawnSync(path, ["-c", script, ...modules], { encoding: "utf8" });
    answer = status === 0 ? stdout.split(/\s+/).filter((name) => name !== "") : ["interpreter"];
    answers.set(key, answer);
  }
  return answer;
}
