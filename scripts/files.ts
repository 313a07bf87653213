/**
 * Writes the table of docs/files.md: a file of each kind is made, and every command is tried on it.
 *
 *     npx tsx scripts/files.ts           # writes the table
 *     npx tsx scripts/files.ts --check   # exit code 1 if the document has another
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { archives, at, dataSets, networkFiles, others, photo, put, root } from "./files-made.ts";
import { COMMANDS, type CommandName, call, foundTable, isFound, told } from "./files-told.ts";

/** The arguments of each command for a file; without them, the command is not for such files. */
type Row = readonly [kind: string, calls: Partial<Record<CommandName, readonly string[]>>];

const DATA = ["--workers", "0", "--data"] as const;

/** A copy, as commands write beside it. */
function kerasFixture(name: string): string {
  const path = fileURLToPath(new URL(`../test/tfjs/fixtures/${name}`, import.meta.url));
  return put(at(name), readFileSync(path));
}

async function networks(): Promise<Row[]> {
  const { pth, plain, recorded, onnx, keras, graph } = await networkFiles();
  const run = at("run");
  await call("train", ["vgg_small", ...DATA, at("parts"), "--epochs", "1", "--no-report", "--out", run]);
  const weightFile = (file: string, more: readonly string[] = []): Row[1] => ({
    inspect: [file],
    eval: [file, ...more, ...DATA, at("parts"), "--split", "val"],
    classify: [photo(), "--workers", "0", "--weights", file, ...more],
    train: [
      "vgg_small",
      "--weights",
      file,
      ...DATA,
      at("parts"),
      "--epochs",
      "1",
      "--no-report",
      "--out",
      `${file}.run`,
    ],
    convert: [file, `${file}.onnx`, "--force"],
  });
  const network = (file: string): Row[1] => ({
    inspect: [file],
    summary: [file],
    eval: [file, ...DATA, at("parts"), "--split", "val"],
    classify: [photo(), "--workers", "0", "--weights", file],
    train: [file, ...DATA, at("parts"), "--epochs", "1", "--no-report", "--out", `${file}.run`],
    convert: [file, `${file}.pth`, "--force"],
  });
  return [
    [".pth, .pt (with `--model`)", weightFile(pth, ["--model", "vgg_small"])],
    [".safetensors (with `--model`)", weightFile(plain, ["--model", "vgg_small"])],
    ["weights that train wrote", weightFile(recorded)],
    ["a run's folder", { ...network(run), train: ["--resume", run, "--epochs", "2", "--no-report"] }],
    [".onnx", network(onnx)],
    ["TensorFlow.js, layers", network(keras)],
    ["TensorFlow.js, graph", network(graph)],
    ["Keras, .keras", network(kerasFixture("sequential_model.keras"))],
    ["Keras, .h5", network(kerasFixture("functional_model.h5"))],
  ];
}

const sets = [...dataSets(), ...(await archives())];
const nets = await networks();
const NET: Readonly<Record<string, string>> = { "CIFAR-10, binary": "10", "CIFAR-10, Python's pickles": "10" };
const rows: Row[] = [
  ...nets,
  ...sets.map(([kind, path]): Row => {
    const run = `${path}.run`;
    const isImages = !/NumPy|pixels|CIFAR|MNIST|Parquet|\.|WebDataset/.test(kind);
    return [
      kind,
      {
        inspect: [path],
        train: [
          "vgg_small",
          ...DATA,
          path,
          "--epochs",
          "1",
          "--no-report",
          "--out",
          run,
          ...(NET[kind] || /parts|zip|tar|MNIST/.test(kind) ? [] : ["--validation-fraction", "0.25"]),
        ], // prettier-ignore
        eval: [run, "--workers", "0", "--split", "train", "--data", path],
        ...(isImages && { classify: [path, "--workers", "0", "--weights", at("run")] }),
      },
    ];
  }),
];

const short = (error: Error) => error.message.split("\n")[0]!.replaceAll(root, "").replaceAll("|", "/").slice(0, 160);
const problems: string[] = [];
const lines = [
  ["file", ...COMMANDS],
  ["---", ...COMMANDS.map(() => "---")],
];
for (const [kind, calls] of rows) {
  const cells: string[] = [];
  const order = ["inspect", "summary", "train", "eval", "classify", "convert"] as const;
  const done = new Map<CommandName, string>();
  for (const name of order) {
    const args = calls[name];
    if (!args) done.set(name, "");
    else {
      const failure = await call(name, args).then(
        () => undefined,
        (error: Error) => error,
      ); // prettier-ignore
      if (failure) problems.push(`${kind}, ${name}: ${short(failure)}`);
      done.set(name, failure ? "no" : "yes");
    }
    process.exitCode = 0;
  }
  for (const name of COMMANDS) cells.push(done.get(name)!);
  lines.push([kind, ...cells]);
}
const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const said = await told(others(), root);
process.exitCode = 0;
const found = `${table}\n\n${said}\n`;
const path = fileURLToPath(new URL("../docs/files.md", import.meta.url));
const document = readFileSync(path, "utf8");
/** The document with another text behind a mark, up to the next end. */
function replaced(text: string, mark: string, by: string): string {
  const at = text.indexOf(mark) + mark.length;
  return `${text.slice(0, at)}\n\n${by}\n${text.slice(text.indexOf("<!-- end -->", at))}`;
}
const withFiles = replaced(document, "<!-- npx tsx scripts/files.ts -->", found);
const made = isFound ? replaced(withFiles, "<!-- found -->", `${await foundTable()}\n`) : withFiles;
for (const problem of problems) console.log(problem);
if (process.argv.includes("--check"))
  process.exitCode = made.replaceAll(/[ -]+/g, " ") === document.replaceAll(/[ -]+/g, " ") ? 0 : 1;
else writeFileSync(path, made);
console.log(table);
rmSync(root, { recursive: true });
