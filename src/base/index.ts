/**
 * # base: words that every other folder shares
 *
 * Assertions for our own mistakes, one error class with one frozen list of codes for the world's,
 * every limit in one place, bytes and checksums, and the ports for time, chance and observation.
 *
 * Invariants: nothing here imports anything of ours or of Node's, so that the same words work in a
 * browser; nothing here keeps state.
 *
 * Left out on purpose: anything with an opinion about logs, networks or files.
 */
export * from "./assert.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./configuration.ts";
export * from "./errors.ts";
export * from "./observer.ts";
export * from "./random.ts";
export * as limits from "./limits.ts";
