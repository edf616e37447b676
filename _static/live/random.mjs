// Random numbers that only a seed decides.

// From 0 to 1: mulberry32.
export function randomFrom(seed) {
  let a = seed;
  return () => {
    a = a + 0x6d2b79f5 | 0;
    let t = Math.imul(a ^ a >>> 15, 1 | a);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

// One of a standard normal distribution, from two of those (Box and Muller).
export const normal = random => Math.sqrt(-2 * Math.log(1 - random())) *
  Math.cos(2 * Math.PI * random());
