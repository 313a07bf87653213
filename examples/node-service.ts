/**
 * A service that classifies images: POST an image, get its most likely classes as JSON.
 *
 *     npx tsx examples/node-service.ts NETWORK [PORT]
 *     curl --data-binary @photo.jpg http://localhost:8080
 *
 * NETWORK is the folder of a run, its best.safetensors, or an .onnx file.
 */

import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { classifier } from "convnets/node";

const [network, port = "8080"] = process.argv.slice(2);
if (network === undefined) {
  console.error("usage: npx tsx examples/node-service.ts NETWORK [PORT]");
  process.exit(2);
}
const LARGEST = 20 * 2 ** 20; // bytes
const classify = await classifier(network, { topk: 3 });

const server = createServer(async (request, response) => {
  const reply = (status: number, body: unknown) => {
    response.writeHead(status, { "Content-Type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  };
  if (request.method !== "POST") return reply(405, { error: "POST an image" });
  if (!(Number(request.headers["content-length"]) <= LARGEST))
    return reply(413, { error: `send at most ${LARGEST} bytes, with a Content-Length` });
  try {
    reply(200, await classify(await buffer(request)));
  } catch (error) {
    reply(400, { error: (error as Error).message });
  }
});
server.listen(Number(port), () => {
  const { port } = server.address() as { port: number };
  console.log(`listening on http://localhost:${port}`);
});
