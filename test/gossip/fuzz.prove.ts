import { type Figures, type Proof, total } from "../prove/proof.ts";
import { seededRandom } from "../../src/base/index.ts";
import { fuzzFrames } from "../../src/transport/testing/gossip-fuzz.ts";
import { serfFrames } from "../../src/transport/testing/serf-frames.ts";

const PARTS = 10;
const FRAMES_PER_PART = 100_000;

export const proof: Proof = {
  name: "gossip-fuzz",
  title: "Packets and streams of real Serf agents, changed at random, read by our codec",
  parts: PARTS,
  isInProcess: true,
  run: (part): Promise<Figures> => {
    const tally = fuzzFrames(serfFrames(), FRAMES_PER_PART, seededRandom(1_000 + part));
    return Promise.resolve({ ...tally });
  },
  summary: (parts) => {
    const understood = total(parts, "understood");
    const refused = total(parts, "refused");
    return `${understood + refused} frames: ${refused} refused, ${understood} understood, 0 crashes`;
  },
};
