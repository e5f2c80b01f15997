/** One part of one proof, in a process of its own: `part.ts FILE NUMBER`; its figures go to the parent. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Proof } from "./proof.ts";

const [file = "", part = ""] = process.argv.slice(2);
const { proof } = (await import(pathToFileURL(resolve(file)).href)) as { readonly proof: Proof };
const figures = await proof.run(Number(part));
process.send?.(figures, () => process.disconnect());
