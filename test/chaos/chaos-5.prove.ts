import type { Proof } from "../prove/proof.ts";
import { chaosProof } from "./chaos-proof.ts";

export const proof: Proof = chaosProof(5);
