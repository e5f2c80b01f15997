/** The commands of `confchange/*.txt`: configurations changed one by one. */
import type { Configuration } from "../../src/base/index.ts";
import {
  type ConfigurationRefusal,
  type ConfigurationResult,
  enterJoint,
  leaveJoint,
  simpleChange,
} from "../../src/raft/configuration.ts";
import { Membership } from "../../src/raft/membership.ts";
import { NOBODY } from "../../src/raft/testing/memory-storage.ts";
import type { Directive } from "./datadriven.ts";
import { formatConfiguration } from "./format.ts";
import { parseOperations } from "./interaction.ts";

const REFUSALS: Readonly<Record<ConfigurationRefusal, string>> = {
  alreadyJoint: "config is already joint",
  noVotersToJoin: "can't make a zero-voter config joint",
  notJoint: "can't leave a non-joint config",
  simpleInJoint: "can't apply simple config change in joint config",
  severalVotersInSimple: "more than one voter changed without entering joint config",
  noVotersLeft: "removed all voters",
};

export class ConfigurationCase {
  #configuration: Configuration = NOBODY;
  /** What a leader would send next to each member; the log grows by one with every directive. */
  #next = new Map<number, number>();
  #lastIndex = 0;

  run(directive: Directive): string {
    const result = this.#change(directive);
    const lastIndex = this.#lastIndex;
    this.#lastIndex += 1;
    if (result.kind === "refused") return REFUSALS[result.reason];
    this.#configuration = result.configuration;
    const membership = new Membership(result.configuration);
    this.#next = new Map(
      membership.all.map((id) => {
        const known = result.fresh.has(id) ? undefined : this.#next.get(id);
        return [id, known ?? Math.max(lastIndex, 1)];
      }),
    );
    const lines = [...this.#next].map(([id, next]) => {
      const learner = membership.isLearner(id) ? " learner" : "";
      return `${id}: StateProbe match=0 next=${next}${learner}`;
    });
    return [formatConfiguration(result.configuration), ...lines].join("\n");
  }

  #change({ command, args, input }: Directive): ConfigurationResult {
    const operations = parseOperations(input);
    switch (command) {
      case "simple":
        return simpleChange(this.#configuration, operations);
      case "enter-joint": {
        const autoLeave = args.some(
          ({ key, values }) => key === "autoleave" && values[0] === "true",
        );
        return enterJoint(this.#configuration, autoLeave, operations);
      }
      case "leave-joint":
        return leaveJoint(this.#configuration);
      default:
        throw new Error(`unknown command ${command}`);
    }
  }
}
