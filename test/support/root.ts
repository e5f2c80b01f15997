import { dirname } from "node:path";

/** This checkout's folder. It stands alone: whoever needs no more than this loads no compiler. */
export const root: string = dirname(dirname(import.meta.dirname));
