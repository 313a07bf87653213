/**
 * Random numbers that are a function of their key: no hidden state, so the same (seed, stream, step) gives the same
 * numbers on every engine, in every worker, and after a resume.
 */

/** Mixes 32 bits well: the "lowbias32" constants of Chris Wellons' hash prospector. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0xd35a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** A 32-bit key from a seed and any number of parts (a step, an epoch, the name of a layer). */
export function randomKey(seed: number, ...parts: (number | string)[]): number {
  let key = mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32) + 0x9e3779b9);
  for (const part of parts) {
    if (typeof part === "number") {
      key = mix(key ^ mix((part >>> 0) + 0x85ebca6b));
    } else {
      for (let i = 0; i < part.length; i++) key = mix(key ^ (part.charCodeAt(i) + 0x9e3779b9));
    }
  }
  return key >>> 0;
}

/** The numbers of one key, drawn in order. */
export class Random {
  readonly #key: number;
  #counter = 0;

  constructor(seed: number, ...parts: (number | string)[]) {
    this.#key = randomKey(seed, ...parts);
  }

  /** 32 random bits. */
  bits(): number {
    return mix(mix(this.#counter++ ^ this.#key) + this.#key);
  }

  /** Uniform in [0, 1), with 24 random bits, so that it is the same number in float32. */
  uniform(): number {
    return (this.bits() >>> 8) / 2 ** 24;
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor((this.bits() / 2 ** 32) * bound);
  }

  /** Standard normal, by Box and Muller's transform. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A random order of 0 … count − 1, by Fisher and Yates' shuffle. */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const other = order[j]!;
      order[j] = order[i]!;
      order[i] = other;
    }
    return order;
  }
}
