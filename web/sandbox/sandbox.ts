/** Runs the reader's code: in a worker, in a frame without origin, storage or network, which a new run replaces. */
import * as Comlink from "comlink";
import { useSandbox } from "../bench/client.ts";
import type { Bench } from "../bench/protocol.ts";
import { FRAME_POLICY, FRAME_SCRIPT } from "./frame.ts";
import runtimeUrl from "./runtime.ts?worker&url";

/** What is wrong with the code, and where. */
export class CodeError extends Error {
  /** Counted from 1; undefined if it is not known. */
  readonly line: number | undefined;
  constructor(message: string, line?: number) {
    super(message);
    this.line = line;
  }
}

let frame: HTMLIFrameElement | undefined;
let runtime: Promise<string> | undefined;

const runtimeText = (): Promise<string> => {
  runtime ??= fetch(runtimeUrl).then((response) => response.text());
  return runtime;
};

/** TypeScript as JavaScript, line by line. */
async function compile(code: string): Promise<string> {
  const { transform } = await import("sucrase");
  try {
    return transform(code, { transforms: ["typescript", "imports"], disableESTransforms: true }).code;
  } catch (error) {
    const { message, loc } = error as Error & { loc?: { line: number } };
    throw new CodeError(message.replace(/^Error transforming .*?: /, "").replace(/\s*\(\d+:\d+\)$/, ""), loc?.line);
  }
}

/** Starts code; networks of the kind "code" then come from it. Rejects with a CodeError. */
export async function startCode(code: string): Promise<void> {
  const [compiled, rest] = await Promise.all([compile(code), runtimeText()]);
  frame?.remove();
  const made = document.createElement("iframe");
  frame = made;
  made.setAttribute("sandbox", "allow-scripts");
  made.hidden = true;
  made.title = "sandbox";
  made.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${FRAME_POLICY}"><script>${FRAME_SCRIPT}</script>`;
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((done, failed) => {
    const hear = ({ source, data }: MessageEvent) => {
      if (source !== made.contentWindow || frame !== made) return;
      if (data?.convnets === "failed") failed(new CodeError(data.message, data.line));
      if (data?.convnets !== "ready") return;
      // the reader's lines keep their numbers
      const text = `self.convnetsCode=function(require,exports){${compiled}\n};\n${rest}`;
      made.contentWindow!.postMessage(text, "*", [port2]);
      done();
    };
    window.addEventListener("message", hear);
    document.body.append(made);
  });
  useSandbox(Comlink.wrap<Bench>(port1));
}

/** Stops the code that runs. */
export function stopCode(): void {
  frame?.remove();
  frame = undefined;
}
