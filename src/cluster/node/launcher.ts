/** What the environment says of how this process was started. */
export interface Launch {
  readonly ranks: number;
  /** Whose launcher it was, which decides the library to load. */
  readonly by: "Open MPI" | "MPICH";
}

/** How MPI's launcher started this process; undefined if none did, or if it started only one. */
export function launchOf(env: NodeJS.ProcessEnv = process.env): Launch | undefined {
  const number = (name: string) => (env[name] === undefined ? 0 : Number(env[name]));
  // PMIx does not tell the size; Slurm does
  const openMpi = number("OMPI_COMM_WORLD_SIZE") || (env.PMIX_RANK === undefined ? 0 : number("SLURM_NTASKS"));
  if (openMpi > 1) return { ranks: openMpi, by: "Open MPI" };
  const mpich = number("PMI_SIZE");
  return mpich > 1 ? { ranks: mpich, by: "MPICH" } : undefined;
}
