/** Chance as a parameter, so that a run can be repeated from its seed. */
export interface Random {
  /** A whole number in [0, 2^32). */
  u32(): number;
}

/** Unpredictable. For identities and salts. */
export const systemRandom: Random = {
  u32: () => crypto.getRandomValues(new Uint32Array(1))[0] as number,
};

/** Repeatable: sfc32, seeded through splitmix32. For simulation and tests. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0;
  const splitmix = (): number => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let counter = 1;
  return {
    u32: () => {
      const t = (((a + b) >>> 0) + counter) >>> 0;
      counter = (counter + 1) >>> 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) >>> 0;
      c = (((c << 21) | (c >>> 11)) + t) >>> 0;
      return t;
    },
  };
}

/** A whole number in [0, n). */
export function below(random: Random, n: number): number {
  return Math.floor((random.u32() / 4294967296) * n);
}

/** True with probability `p`. */
export function chance(random: Random, p: number): boolean {
  return random.u32() / 4294967296 < p;
}

/** A random identity of 53 bits: a safe integer above zero. */
export function randomId(random: Random): number {
  const id = (random.u32() & 0x1fffff) * 4294967296 + random.u32();
  return id === 0 ? 1 : id;
}
