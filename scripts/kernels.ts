/** Compiles kernels/*.ts, AssemblyScript, into modules of src/ that hold WebAssembly as text: `npm run kernels`. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = new URL("..", import.meta.url);

/** The module of src/ that holds the compiled kernels. */
export async function compileKernels(): Promise<string> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ["kernels/image.ts", "--outFile", "image.wasm", "-O3", "--runtime", "stub", "--noAssert", "--enable", "simd"],
    {
      ...{ baseDir: fileURLToPath(root) },
      writeFile: (name: string, contents: Uint8Array | string) => {
        if (name.endsWith(".wasm")) binary = contents as Uint8Array;
      },
    } as never,
  );
  if (error || !binary) throw new Error(`asc: ${error?.message}\n${stderr}`);
  const base64 = Buffer.from(binary).toString("base64");
  return `/** WebAssembly of kernels/image.ts in base64, made by \`npm run kernels\`. */\nexport const KERNELS =\n  "${base64}";\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL("src/data/kernels.ts", root), await compileKernels());
