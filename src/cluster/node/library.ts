import { ClusterError } from "./error.ts";
import type { Launch } from "./launcher.ts";

type Koffi = typeof import("koffi");

/** Handles of MPI: addresses in Open MPI, numbers in MPICH. */
type Handle = bigint | number;
/** Where numbers are: their address in the memory of this process, of whichever thread. */
export type Address = bigint;

/** The functions of MPI that we call. Sizes are in bytes except for sums, which are of floats. */
export interface Mpi {
  readonly name: string;
  readonly world: Handle;
  init(): void;
  rank(): number;
  size(): number;
  duplicate(): Handle;
  isend(from: Address, bytes: number, to: number, tag: number, comm: Handle): Request;
  ireceive(into: Address, bytes: number, from: number, tag: number, comm: Handle): Request;
  iallGather(from: Address, bytes: number, into: Address, comm: Handle): Request;
  iallReduce(at: Address, floats: number, comm: Handle): Request;
  ibroadcast(at: Address, bytes: number, comm: Handle): Request;
  ibarrier(comm: Handle): Request;
  /** sum += other */
  add(sum: Address, other: Address, floats: number): void;
  /** Whether a request is done. */
  test(request: Request): boolean;
  cancel(request: Request): void;
  abort(code: number): void;
  finalize(): void;
}

export type Request = BigInt64Array;

/** Loads koffi. Throws, saying what to install. */
export async function loadKoffi(): Promise<Koffi> {
  try {
    const module = await import("koffi");
    return (module as unknown as { default?: Koffi }).default ?? module;
  } catch (error) {
    throw new ClusterError(
      `training on several ranks calls MPI through the package koffi, which cannot be loaded; install it: npm install koffi (${(error as Error).message.split("\n")[0]})`,
      { cause: error },
    );
  }
}

const LIBRARIES = {
  "Open MPI": ["libmpi.so.40", "libmpi.40.dylib", "libmpi.so"],
  MPICH: ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib", "libmpi.so"],
} as const;
const PACKAGES = {
  "Open MPI": "libopenmpi3 on Debian, openmpi elsewhere",
  MPICH: "libmpich12 on Debian, mpich elsewhere",
} as const;

const SUCCESS = 0;
/** All calls come from one thread, which is not the first. */
const SERIALIZED = 2;

/**
 * Loads the MPI library of the launcher, or the one that the environment variable CONVNETS_MPI names. Throws, saying what to
 * install.
 */
export function loadMpi(koffi: Koffi, by: Launch["by"], named = process.env.CONVNETS_MPI): Mpi {
  const names = named ? [named] : LIBRARIES[by];
  const problems: string[] = [];
  for (const name of names) {
    try {
      // its plug-ins look its symbols up
      return bind(koffi, koffi.load(name, { global: true } as object), name);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new ClusterError(
    `${by} started this process, but its library cannot be loaded (${problems[0]}); install it (${PACKAGES[by]}), or name the file in the environment variable CONVNETS_MPI`,
  );
}

function bind(koffi: Koffi, library: ReturnType<Koffi["load"]>, file: string): Mpi {
  const symbol = (name: string): bigint | undefined => {
    try {
      return koffi.address(library.symbol(name, "void"));
    } catch {
      return undefined;
    }
  };
  const openMpi = symbol("ompi_mpi_comm_world");
  // handles of Open MPI are addresses of its objects; those of MPICH are constants of its ABI, as are the special addresses
  const H = openMpi ? "void *" : "int";
  const handles = openMpi
    ? {
        world: openMpi,
        byte: symbol("ompi_mpi_byte")!,
        float: symbol("ompi_mpi_float")!,
        sum: symbol("ompi_mpi_op_sum")!,
      }
    : { world: 0x44000000, byte: 0x4c00010d, float: 0x4c00040a, sum: 0x58000003 };
  const { world, byte, float, sum } = handles;
  const ignoreStatus = openMpi ? 0n : 1n;
  const inPlace = openMpi ? 1n : -1n;

  const call = (name: string, types: string) => {
    const f = library.func(`int MPI_${name}(${types})`);
    return (...given: unknown[]): void => {
      const code = f(...given) as number;
      if (code !== SUCCESS) throw new ClusterError(`MPI_${name} failed with code ${code}`);
    };
  };
  const A = "intptr_t";
  const initThread = call("Init_thread", `${A} argc, ${A} argv, int required, void *provided`);
  const commRank = call("Comm_rank", `${H} comm, void *rank`);
  const commSize = call("Comm_size", `${H} comm, void *size`);
  const commDup = call("Comm_dup", `${H} comm, void *copy`);
  const isend = call("Isend", `${A} at, int count, ${H} type, int rank, int tag, ${H} comm, void *request`);
  const irecv = call("Irecv", `${A} at, int count, ${H} type, int rank, int tag, ${H} comm, void *request`);
  const iallgather = call("Iallgather", `${A} from, int n, ${H} t, ${A} into, int m, ${H} u, ${H} comm, void *request`);
  const iallreduce = call("Iallreduce", `${A} from, ${A} into, int n, ${H} t, ${H} op, ${H} comm, void *request`);
  const ibcast = call("Ibcast", `${A} at, int count, ${H} type, int root, ${H} comm, void *request`);
  const ibarrier = call("Ibarrier", `${H} comm, void *request`);
  const reduceLocal = call("Reduce_local", `${A} other, ${A} sum, int n, ${H} type, ${H} op`);
  const testRequest = call("Test", `void *request, void *flag, ${A} status`);
  const cancelRequest = call("Cancel", "void *request");
  const abort = call("Abort", `${H} comm, int code`);
  const finalize = call("Finalize", "void");

  // one for all calls: MPI_Test comes by the thousand
  const result = new Int32Array(1);
  const number = (read: (at: Int32Array) => void) => {
    read(result);
    return result[0]!;
  };
  const request = (start: (at: Request) => void) => {
    const at = new BigInt64Array(1);
    start(at);
    return at;
  };
  return {
    name: `${openMpi ? "Open MPI" : "MPICH"} (${file})`,
    world,
    init() {
      const provided = number((at) => initThread(0n, 0n, SERIALIZED, at));
      if (provided < SERIALIZED)
        throw new ClusterError(
          `${file} was built without threads (it provides level ${provided}); use another build of MPI`,
        );
    },
    rank: () => number((at) => commRank(world, at)),
    size: () => number((at) => commSize(world, at)),
    duplicate() {
      const copy = openMpi ? new BigInt64Array(1) : new Int32Array(1);
      commDup(world, copy);
      return copy[0]!;
    },
    isend: (from, bytes, to, tag, comm) => request((at) => isend(from, bytes, byte, to, tag, comm, at)),
    ireceive: (into, bytes, from, tag, comm) => request((at) => irecv(into, bytes, byte, from, tag, comm, at)),
    iallGather: (from, bytes, into, comm) =>
      request((at) => iallgather(from, bytes, byte, into, bytes, byte, comm, at)),
    iallReduce: (at, floats, comm) => request((to) => iallreduce(inPlace, at, floats, float, sum, comm, to)),
    ibroadcast: (at, bytes, comm) => request((to) => ibcast(at, bytes, byte, 0, comm, to)),
    ibarrier: (comm) => request((to) => ibarrier(comm, to)),
    add: (at, other, floats) => reduceLocal(other, at, floats, float, sum),
    test: (pending) => number((at) => testRequest(pending, at, ignoreStatus)) !== 0,
    cancel: (pending) => cancelRequest(pending),
    abort: (code) => abort(world, code),
    finalize: () => finalize(),
  };
}
