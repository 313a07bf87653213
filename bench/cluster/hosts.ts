/**
 * Hosts on one machine: network namespaces joined by a bridge, whose links can be slow or cut. Needs root and iproute2.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Hosts that exist until `remove`. */
export interface Hosts {
  readonly names: readonly string[];
  /** Words for Open MPI's mpirun that start its ranks on these hosts, one on each. */
  readonly mpirun: readonly string[];
  /** Limits what each host sends, such as "1gbit"; undefined for no limit. */
  limit(rate: string | undefined): void;
  /** Cuts a host from the others. */
  cut(name: string): void;
  /** Connects it again. */
  rejoin(name: string): void;
  remove(): void;
}

function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** Why there can be no hosts here; undefined where there can. */
export function hostsReason(): string | undefined {
  const name = `cn${process.pid}`;
  try {
    ip("ip", "netns", "add", name);
    ip("ip", "netns", "exec", name, "unshare", "--uts", "hostname", name);
    return undefined;
  } catch (error) {
    return `network namespaces are not allowed here (${(error as Error).message})`;
  } finally {
    spawnSync("ip", ["netns", "del", name]);
  }
}

let made = 0;

/** Makes as many hosts. Throws where that is not allowed. */
export function makeHosts(count: number): Hosts {
  const folder = mkdtempSync(join(tmpdir(), "convnets-hosts-"));
  // a namespace and its links go a moment after they are removed
  const id = `${process.pid % 10_000}${String.fromCharCode(97 + (made++ % 26))}`;
  const network = `10.${77 + (process.pid % 100)}.${((process.pid >> 4) + made) % 256}`;
  const bridge = `cb${id}`;
  const names = Array.from({ length: count }, (_, i) => `cn${id}h${i + 1}`);
  const link = (name: string) => `${name}o`;
  const agent = join(folder, "agent.sh");
  // its first argument is the host, where the others are to run
  const enter = 'exec ip netns exec "$host" unshare --uts sh -c \'hostname "$0"; exec sh -c "$*"\' "$host" "$@"';
  writeFileSync(agent, `#!/bin/sh\nhost=$1\nshift\n${enter}\n`, { mode: 0o755 });
  const remove = () => {
    for (const name of names) {
      // daemons of mpirun that were cut off stay
      const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
      for (const pid of stdout.split("\n").filter(Boolean)) spawnSync("kill", ["-9", pid]);
      spawnSync("ip", ["netns", "del", name]);
    }
    spawnSync("ip", ["link", "del", bridge]);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    ip("ip", "link", "add", bridge, "type", "bridge");
    ip("ip", "address", "add", `${network}.254/24`, "dev", bridge);
    ip("ip", "link", "set", bridge, "up");
    for (const [i, name] of names.entries()) {
      ip("ip", "netns", "add", name);
      ip("ip", "link", "add", link(name), "type", "veth", "peer", "name", "eth0", "netns", name);
      ip("ip", "link", "set", link(name), "master", bridge, "up");
      const inside = (...words: string[]) => ip("ip", "-n", name, ...words);
      inside("address", "add", `${network}.${i + 1}/24`, "dev", "eth0");
      inside("link", "set", "eth0", "up");
      inside("link", "set", "lo", "up");
    }
  } catch (error) {
    remove();
    throw error;
  }
  const mca = (...pairs: readonly string[]) => pairs.flatMap((pair) => ["--mca", ...pair.split("=")]);
  return {
    names,
    mpirun: [
      ...["mpirun.openmpi", "--allow-run-as-root", "--host", names.map((name) => `${name}:1`).join(",")],
      ...["--map-by", "node", "--bind-to", "none"],
      ...mca(`plm_rsh_agent=${agent}`, "btl=tcp,self", "pml=ob1", "plm_rsh_no_tree_spawn=1"),
      ...mca(`btl_tcp_if_include=${network}.0/24`, `oob_tcp_if_include=${network}.0/24`),
    ],
    limit(rate) {
      for (const name of names) {
        spawnSync("tc", ["-n", name, "qdisc", "del", "dev", "eth0", "root"]);
        if (rate !== undefined)
          ip("tc", "-n", name, ..."qdisc add dev eth0 root tbf burst 256kb latency 100ms rate".split(" "), rate);
      }
    },
    cut: (name) => ip("ip", "link", "set", link(name), "down"),
    rejoin: (name) => ip("ip", "link", "set", link(name), "up"),
    remove,
  };
}
