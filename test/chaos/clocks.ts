import { writeFileSync } from "node:fs";

/**
 * A wall clock that can be set while a server runs. It is loaded into the server's process from here,
 * before the server itself, and shifts what `Date` says by what a file says; no machine's clock is
 * touched, and nothing of it is in the package.
 */
const SHIFTED_DATE = `
  import { readFileSync } from "node:fs";
  const RealDate = Date;
  let shiftMs = 0;
  const look = () => {
    try { shiftMs = Number(readFileSync(process.env.CHAOS_CLOCK_FILE, "utf8")) || 0; } catch {}
  };
  look();
  setInterval(look, 50).unref();
  globalThis.Date = class Date extends RealDate {
    constructor(...words) { super(...(words.length === 0 ? [RealDate.now() + shiftMs] : words)); }
    static now() { return RealDate.now() + shiftMs; }
  };
`;

/** The environment of a server whose clock a file shifts. */
export function clockEnvironment(file: string): Record<string, string> {
  const module = `data:text/javascript,${encodeURIComponent(SHIFTED_DATE)}`;
  return { CHAOS_CLOCK_FILE: file, NODE_OPTIONS: `--import=${module}` };
}

export function setClock(file: string, shiftMs: number): void {
  writeFileSync(file, String(shiftMs));
}
