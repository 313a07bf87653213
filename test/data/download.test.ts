/** Downloads against a server of our own that cuts, lies and refuses. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar/fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  cifar10,
  DownloadError,
  defaultDataDir,
  download,
  fetchSet,
  idx,
  type KnownSet,
} from "../../src/data/node/index.ts";
import { cifarBytes, idxBytes, put, temporaryFolder } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const root = temporaryFolder();
const content = randomBytes(300_000);
const sha256 = createHash("sha256").update(content).digest("hex");
const md5 = createHash("md5").update(content).digest("hex");

let server: Server;
let base: string;
/** Where nobody listens. */
let nobody: string;
/** Ranges asked for, undefined for a whole file. */
let ranges: (string | undefined)[] = [];
/** What the server does next; files it serves by default. */
let behave: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
const files = new Map<string, Uint8Array>([["/file", content]]);

function serve(request: IncomingMessage, response: ServerResponse, limit = Number.POSITIVE_INFINITY): void {
  const bytes = files.get(request.url!);
  if (!bytes) {
    response.writeHead(404).end();
    return;
  }
  const start = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
  if (start >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  const rest = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": rest.length,
    ...(start > 0 && { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (rest.length <= limit) response.end(rest);
  else response.write(rest.subarray(0, limit), () => setTimeout(() => response.destroy(), 200));
}

beforeAll(async () => {
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    (behave.shift() ?? serve)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  nobody = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((resolve) => gone.close(resolve));
});
afterAll(() => server.close());
beforeEach(() => {
  ranges = [];
  behave = [];
  for (const name of ["file", "file.part"]) rmSync(join(root, name), { force: true });
});

const file = join(root, "file");
const get = (options = {}) => download(`${base}/file`, file, { sha256, backoff: 1, ...options });

describe("download", () => {
  test("a whole file, with progress and both checksums", async () => {
    const seen: number[] = [];
    await get({ md5, size: content.length, onProgress: ({ received }: { received: number }) => seen.push(received) });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(content.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  test("goes on where the connection was cut, as often as it is cut", async () => {
    const cut = (request: IncomingMessage, response: ServerResponse) => serve(request, response, 50_000);
    behave = [cut, cut, cut, cut, cut];
    const totals = new Set<number | undefined>();
    await get({ retries: 1, onProgress: ({ total }: { total?: number }) => totals.add(total) });
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(ranges).toEqual([undefined, ...[1, 2, 3, 4, 5].map((i) => `bytes=${i * 50_000}-`)]);
    expect([...totals]).toEqual([content.length]);
  });

  test("goes on with what an earlier call left", async () => {
    writeFileSync(`${file}.part`, content.subarray(0, 123_456));
    await get();
    expect(ranges).toEqual(["bytes=123456-"]);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test("a part that is already whole is checked and taken", async () => {
    writeFileSync(`${file}.part`, content);
    await get();
    expect(ranges).toEqual([`bytes=${content.length}-`]);
    expect(existsSync(file)).toBe(true);
    rmSync(file);
    writeFileSync(`${file}.part`, content);
    await get({ size: content.length });
    expect(ranges.length).toBe(1);
  });

  test("a part of another version of the file is thrown away, once", async () => {
    writeFileSync(`${file}.part`, randomBytes(1000));
    await get();
    expect(ranges).toEqual(["bytes=1000-", undefined]);
    expect(readFileSync(file).equals(content)).toBe(true);
    rmSync(file);
    writeFileSync(`${file}.part`, randomBytes(content.length + 5));
    await get();
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test("a server without ranges sends it all again", async () => {
    writeFileSync(`${file}.part`, content.subarray(0, 1000));
    behave = [(request, response) => serve(Object.assign(request, { headers: {} }), response)];
    await get();
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test("a wrong checksum leaves nothing behind", async () => {
    const expected = "0".repeat(64);
    await expect(get({ sha256: expected })).rejects.toThrow(
      `is not the file expected: sha256 ${sha256}, expected ${expected}`,
    );
    expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
    await expect(get({ md5: "1" })).rejects.toThrow(`md5 ${md5}, expected 1`);
    await expect(get({ size: 7 })).rejects.toThrow(`${content.length} bytes, expected 7`);
  });

  test("of a SHA-256 the first eight digits are enough, and fewer are not", async () => {
    await get({ sha256: sha256.slice(0, 8) });
    rmSync(file);
    for (const few of [sha256.slice(0, 7), "", `${sha256}0`])
      await expect(get({ sha256: few })).rejects.toThrow(`sha256 ${sha256}, expected ${few}`);
    await expect(get({ md5: md5.slice(0, 8) })).rejects.toThrow(`md5 ${md5}, expected ${md5.slice(0, 8)}`);
  });

  test("404 is final, 503 is tried again", async () => {
    const lost = download(`${base}/lost`, file);
    await expect(lost).rejects.toThrow(`${file}: ${base}/lost answered 404 Not Found`);
    await expect(lost).rejects.toMatchObject({ offline: false });
    expect(ranges.length).toBe(1);
    behave = [503, 429, 500].map((status) => (_, response) => response.writeHead(status).end());
    await get();
    expect(existsSync(file)).toBe(true);
    behave = new Array(10).fill((_: unknown, response: ServerResponse) => response.writeHead(503).end());
    rmSync(file);
    await expect(get({ retries: 2 })).rejects.toThrow("answered 503 Service Unavailable");
  });

  test("a connection that falls silent is given up and taken up again", async () => {
    behave = [
      (_, response) => {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.subarray(0, 1000));
      },
    ];
    await get({ idleTimeout: 200 });
    expect(ranges).toEqual([undefined, "bytes=1000-"]);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test("offline is told apart, at once", async () => {
    const refused = download(`${nobody}/file`, file);
    await expect(refused).rejects.toBeInstanceOf(DownloadError);
    await expect(refused).rejects.toMatchObject({ offline: true, message: expect.stringContaining("ECONNREFUSED") });
  });

  test("can be given up from outside, and keeps what came", async () => {
    const controller = new AbortController();
    behave = [(request, response) => serve(request, response, 60_000)];
    const onProgress = ({ received }: { received: number }) =>
      received >= 60_000 && controller.abort(new Error("enough"));
    await expect(get({ onProgress, signal: controller.signal })).rejects.toThrow("enough");
    expect(existsSync(file)).toBe(false);
    await get();
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk is an error of the file, and final", async () => {
    symlinkSync("/dev/full", `${file}.part`);
    await expect(get()).rejects.toThrow(`${file}: cannot save: the disk is full`);
    expect(ranges.length).toBe(1);
  });
});

describe("known sets", () => {
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

  async function tarOf(entries: Record<string, Uint8Array>): Promise<Buffer> {
    const source = join(root, "tar");
    for (const [name, bytes] of Object.entries(entries)) put(join(source, name), bytes);
    const sources = Object.keys(entries).map(
      (name) => ({ type: "file", source: join(source, name), target: name }) as const,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of packTar(sources)) chunks.push(chunk as Buffer);
    return gzipSync(Buffer.concat(chunks));
  }

  let cifar: KnownSet;
  beforeAll(async () => {
    const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
    const entries = [...batches, "test_batch.bin"].map((name) => [`cifar-10-batches-bin/${name}`, cifarBytes([3, 1])]);
    const archive = await tarOf(Object.fromEntries(entries));
    files.set("/cifar-10-binary.tar.gz", archive);
    cifar = {
      folders: ["cifar-10-batches-bin"],
      needed: [...batches, "test_batch.bin"],
      published: [{ url: `${base}/cifar-10-binary.tar.gz`, sha256: hash(archive), size: archive.length }],
    };
  });

  test("an archive is fetched, checked, unpacked, and then simply there", async () => {
    const dataDir = join(root, "data");
    behave = [(request, response) => serve(request, response, 300)];
    const folder = await fetchSet("cifar10", cifar, { dataDir });
    expect(folder).toBe(join(dataDir, "cifar-10-batches-bin"));
    const dataset = await cifar10(folder);
    expect([dataset.length, dataset.classes[dataset.labels[0]!]]).toEqual([10, "cat"]);
    expect(existsSync(join(dataDir, "cifar-10-binary.tar.gz"))).toBe(false);
    const asked = ranges.length;
    expect(await fetchSet("cifar10", cifar, { dataDir, download: false })).toBe(folder);
    expect(ranges.length).toBe(asked);
  });

  test("an archive that somebody put there is checked and unpacked without the network", async () => {
    const dataDir = join(root, "by-hand");
    const archive = put(join(dataDir, "cifar-10-binary.tar.gz"), files.get("/cifar-10-binary.tar.gz")!);
    expect(await cifar10(await fetchSet("cifar10", cifar, { dataDir, download: false }))).toMatchObject({ length: 10 });
    rmSync(join(dataDir, "cifar-10-batches-bin"), { recursive: true });
    put(archive, "half of it");
    await expect(fetchSet("cifar10", cifar, { dataDir })).rejects.toThrow(
      `${archive}: this is not the file that ${base}`,
    );
  });

  test("files one by one, in the folder of the set", async () => {
    const images = gzipSync(idxBytes([2, 1, 1], Uint8Array.of(8, 9)));
    const labels = gzipSync(idxBytes([2], Uint8Array.of(0, 1)));
    const names = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
    for (const [i, bytes] of [images, labels].entries()) files.set(`/${names[i]}`, bytes);
    const published = names.map((name) => ({ url: `${base}/${name}`, sha256: hash(files.get(`/${name}`)!) }));
    const set: KnownSet = { folders: ["mnist", "MNIST/raw"], needed: names, published };
    const folder = await fetchSet("mnist", set, { dataDir: join(root, "idx") });
    expect((await idx(folder)).length).toBe(2);
    // As torchvision leaves it: in another folder, without .gz.
    for (const name of names) put(join(root, "torchvision/MNIST/raw", name.replace(".gz", "")), "");
    const found = await fetchSet("mnist", set, { dataDir: join(root, "torchvision"), download: false });
    expect(found).toBe(join(root, "torchvision", "MNIST/raw"));
  });

  test("offline, or not allowed: which file to put where", async () => {
    const dataDir = join(root, "offline");
    const url = `${nobody}/cifar-10-binary.tar.gz`;
    const unreachable = { ...cifar, published: [{ ...cifar.published[0]!, url }] };
    const remedy = `put the file into ${dataDir} as it is, or its contents into ${join(dataDir, "cifar-10-batches-bin")} (data_batch_1.bin`;
    for (const options of [{ dataDir }, { dataDir, download: false }]) {
      const failed = fetchSet("cifar10", unreachable, options);
      await expect(failed).rejects.toThrow(`cifar10 is not in ${dataDir}`);
      await expect(failed).rejects.toThrow(url);
      await expect(failed).rejects.toThrow(remedy);
    }
  });

  test("an archive that is no archive, or lacks a file", async () => {
    const dataDir = join(root, "bad");
    files.set("/bad.tar.gz", Buffer.from("no gzip"));
    const bad = { ...cifar, published: [{ url: `${base}/bad.tar.gz` }] };
    await expect(fetchSet("cifar10", bad, { dataDir })).rejects.toThrow(
      `${join(dataDir, "bad.tar.gz")}: cannot unpack`,
    );
    expect(existsSync(join(dataDir, "cifar-10-batches-bin"))).toBe(false);
    const larger = { ...cifar, needed: [...cifar.needed, "more.bin"] };
    await expect(fetchSet("cifar10", larger, { dataDir: join(root, "less") })).rejects.toThrow(
      "incomplete: there is no more.bin",
    );
  });

  test("paths that lead out of the folder are not followed", async () => {
    const dataDir = join(root, "slip");
    const evil = await tarOf({ "x/data.bin": new Uint8Array(4) });
    const { gunzipSync } = await import("node:zlib");
    const tar = gunzipSync(evil);
    tar.write("x/../../../evil.bin\0", 0, "latin1");
    tar.fill(" ", 148, 156);
    const checksum = tar.subarray(0, 512).reduce((sum, byte) => sum + byte, 0);
    tar.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    files.set("/slip.tar.gz", gzipSync(tar));
    const set: KnownSet = { folders: ["set"], needed: ["data.bin"], published: [{ url: `${base}/slip.tar.gz` }] };
    await expect(fetchSet("slip", set, { dataDir })).rejects.toThrow();
    for (const up of ["evil.bin", "../evil.bin", "../../evil.bin"])
      expect(existsSync(join(dataDir, up)), up).toBe(false);
  });
});

test("the data folder follows CONVNETS_DATA, then XDG", () => {
  expect(defaultDataDir({ CONVNETS_DATA: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
  expect(defaultDataDir({ XDG_CACHE_HOME: "/b" })).toBe(join("/b", "convnets", "data"));
  expect(defaultDataDir({})).toMatch(/convnets.data$/);
});
