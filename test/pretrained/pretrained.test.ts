/** Published weights, got from a server of our own. */
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { PRETRAINED, type PublishedWeights, pretrained, publishedWeights } from "../../src/pretrained/node/index.ts";

const root = mkdtempSync(join(tmpdir(), "convnets-pretrained-"));
const content = randomBytes(300_000);
const prefix = createHash("sha256").update(content).digest("hex").slice(0, 8);
/** Entries as those of the registry, for files that the server has. */
const entry = (name: string, sha256 = prefix): PublishedWeights => ({
  ...PRETRAINED.vgg16,
  url: `https://weights.invalid/models/${name}-${sha256}.pth`,
  sha256,
});
const known = entry("known");
const files = new Map<string, Uint8Array>([[`/models/known-${prefix}.pth`, content]]);

let asked: { url: string; range: string | undefined }[] = [];
/** Bytes after which the connection is cut, once each. */
let cuts: number[] = [];
const server = createServer(({ url = "", headers }, response: ServerResponse) => {
  asked.push({ url, range: headers.range });
  const bytes = files.get(url);
  if (!bytes) return response.writeHead(404).end();
  const start = Number(headers.range?.match(/\d+/)?.[0] ?? 0);
  const rest = bytes.subarray(start);
  const range = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start > 0 ? 206 : 200, { "content-length": rest.length, ...(start > 0 && range) });
  const limit = cuts.shift();
  if (limit === undefined) return response.end(rest);
  return response.write(rest.subarray(0, limit), () => setTimeout(() => response.destroy(), 200));
});
let baseUrl: string;
const cacheDir = join(root, "cache");
const cached = join(cacheDir, `known-${prefix}.pth`);

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models`;
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  asked = [];
  cuts = [];
  rmSync(cacheDir, { recursive: true, force: true });
  vi.stubEnv("TORCH_HOME", join(root, "torch"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(join(root, "torch"), { recursive: true, force: true });
});

describe("a file", () => {
  it("is downloaded once, with progress", async () => {
    const seen: number[] = [];
    const options = { cacheDir, baseUrl, onProgress: ({ received }: { received: number }) => seen.push(received) };
    expect(await pretrained(known, options)).toBe(cached);
    expect(readFileSync(cached).equals(content)).toBe(true);
    expect(seen.at(-1)).toBe(content.length);
    expect(await pretrained(known, { cacheDir, baseUrl })).toBe(cached);
    expect(asked).toEqual([{ url: `/models/known-${prefix}.pth`, range: undefined }]);
  });

  it("comes from the mirror that the environment names, into the user's cache folder", async () => {
    vi.stubEnv("CONVNETS_WEIGHTS_URL", `${baseUrl}/`);
    vi.stubEnv("XDG_CACHE_HOME", join(root, "xdg"));
    expect(await pretrained(known)).toBe(join(root, "xdg", "convnets", "weights", `known-${prefix}.pth`));
    expect(asked).toHaveLength(1);
  });

  it("is gone on with where the connection was cut, and where an earlier call stopped", async () => {
    cuts = [100_000];
    await pretrained(known, { cacheDir, baseUrl });
    expect(asked.map(({ range }) => range)).toEqual([undefined, "bytes=100000-"]);
    expect(readFileSync(cached).equals(content)).toBe(true);

    rmSync(cached);
    asked = [];
    cuts = [120_000];
    const controller = new AbortController();
    const onProgress = ({ received }: { received: number }) => {
      if (received >= 120_000) controller.abort(new Error("enough"));
    };
    await expect(pretrained(known, { cacheDir, baseUrl, onProgress, signal: controller.signal })).rejects.toThrow(
      "enough",
    );
    expect(existsSync(cached)).toBe(false);
    await pretrained(known, { cacheDir, baseUrl });
    expect(asked.at(-1)!.range).toBe("bytes=120000-");
    expect(readFileSync(cached).equals(content)).toBe(true);
  });

  it("of torch.hub is taken where it is there and right", async () => {
    const hub = join(root, "torch", "hub", "checkpoints");
    const theirs = join(hub, `known-${prefix}.pth`);
    mkdirSync(hub, { recursive: true });
    writeFileSync(theirs, content);
    expect(await pretrained(known, { cacheDir, baseUrl })).toBe(theirs);
    expect(asked).toEqual([]);
    writeFileSync(theirs, content.subarray(1));
    expect(await pretrained(known, { cacheDir, baseUrl })).toBe(cached);
    vi.stubEnv("TORCH_HOME", "");
    vi.stubEnv("XDG_CACHE_HOME", join(root, "xdg-torch"));
    mkdirSync(join(root, "xdg-torch", "torch", "hub", "checkpoints"), { recursive: true });
    const byRule = join(root, "xdg-torch", "torch", "hub", "checkpoints", `known-${prefix}.pth`);
    copyFileSync(cached, byRule);
    rmSync(cached);
    expect(await pretrained(known, { cacheDir, download: false })).toBe(byRule);
  });
});

describe("is refused", () => {
  it("what has another hash than its name says, and nothing is kept of it", async () => {
    const wrong = entry("known", "00000000");
    files.set("/models/known-00000000.pth", content);
    const refused = pretrained(wrong, { cacheDir, baseUrl });
    await expect(refused).rejects.toThrow(
      new RegExp(`sent is not the file expected: sha256 ${prefix}[0-9a-f]{56}, expected 00000000`),
    );
    expect(existsSync(join(cacheDir, "known-00000000.pth"))).toBe(false);
    expect(existsSync(join(cacheDir, "known-00000000.pth.part"))).toBe(false);
  });

  it("a wrong file in the cache, which stays", async () => {
    mkdirSync(cacheDir);
    writeFileSync(cached, "something else");
    await expect(pretrained(known, { cacheDir, baseUrl })).rejects.toThrow(
      /^.*known-.*\.pth: this is not the file that http.* has: sha256 .*; remove it to download it again$/,
    );
    expect(readFileSync(cached, "utf8")).toBe("something else");
    expect(asked).toEqual([]);
  });

  it("a network that nobody published weights for", async () => {
    expect(() => publishedWeights("nin")).toThrow(
      'nobody published weights for "nin"; there are some for alexnet, vgg11 … vgg19_bn, googlenet, ',
    );
    await expect(pretrained("toString")).rejects.toThrow('nobody published weights for "toString"');
  });

  it("with what to do: not found, offline, switched off", async () => {
    const lost = entry("lost");
    const remedy = `\nGet the file on another machine or later from\n  ${lost.url}\nand put it as it is into ${cacheDir}`;
    const name = `lost-${prefix}.pth`;
    await expect(pretrained(lost, { cacheDir, baseUrl })).rejects.toThrow(
      `${join(cacheDir, name)}: ${baseUrl}/${name} answered 404 Not Found${remedy}`,
    );
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
    const nobody = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    await new Promise((resolve) => gone.close(resolve));
    const offline = pretrained(lost, { cacheDir, baseUrl: nobody });
    await expect(offline).rejects.toThrow("ECONNREFUSED");
    await expect(offline).rejects.toThrow(remedy);
    await expect(offline).rejects.toMatchObject({ offline: true });
    asked = [];
    const off = pretrained(lost, { cacheDir, baseUrl, download: false });
    await expect(off).rejects.toThrow(`downloads are switched off${remedy}`);
    expect(asked).toEqual([]);
  });
});
