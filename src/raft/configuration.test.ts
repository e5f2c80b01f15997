import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Configuration } from "../base/index.ts";
import fc from "fast-check";

import {
  changeConfiguration,
  type ConfigurationResult,
  enterJoint,
  leaveJoint,
  simpleChange,
} from "./configuration.ts";
import type { ConfigurationOperation } from "./entry.ts";
import { member, operations, votersOf } from "./testing/cluster.ts";
import { isConfiguration } from "./validate.ts";

const operation: fc.Arbitrary<ConfigurationOperation> = fc.record({
  kind: fc.constantFrom("addVoter", "addLearner", "remove", "update"),
  member: fc.integer({ min: 0, max: 6 }).map(member),
});

function configurationOf(result: ConfigurationResult): Configuration | undefined {
  return result.kind === "changed" ? result.configuration : undefined;
}

describe("configurations", () => {
  test("simple changes one by one make what one joint change makes", () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 8 }), (list) => {
        let stepwise = votersOf(1, 2, 3);
        for (const each of list) {
          const next = configurationOf(simpleChange(stepwise, [each]));
          // A step that would leave nobody ends the comparison.
          if (next === undefined) return;
          stepwise = next;
        }
        const joint = configurationOf(enterJoint(votersOf(1, 2, 3), false, list));
        assert.ok(joint !== undefined);
        assert.deepEqual(configurationOf(leaveJoint(joint)), stepwise);
      }),
    );
  });

  test("every result is sound, and lists stay in order", () => {
    fc.assert(
      fc.property(fc.array(fc.array(operation, { maxLength: 4 }), { maxLength: 6 }), (steps) => {
        let configuration = votersOf(1, 2, 3);
        for (const list of steps) {
          const change = { version: 2, transition: "auto", operations: list } as const;
          configuration =
            configurationOf(changeConfiguration(configuration, change)) ?? configuration;
          assert.ok(isConfiguration(configuration));
          const ids = configuration.voters.map(({ replicaId }) => replicaId);
          assert.deepEqual(
            ids,
            ids.toSorted((a, b) => a - b),
          );
        }
      }),
    );
  });

  test("any majority of a simple change meets any majority before it", () => {
    fc.assert(
      fc.property(operation, (each) => {
        const before = votersOf(1, 2, 3, 4);
        const after = configurationOf(simpleChange(before, [each]));
        const stays = after?.voters.filter(({ replicaId }) => replicaId <= 4).length ?? 4;
        const size = after?.voters.length ?? 4;
        // Two majorities that avoid each other would need more voters than there are.
        const union = 4 + size - stays;
        assert.ok(Math.floor(4 / 2) + 1 + Math.floor(size / 2) + 1 > union);
      }),
    );
  });

  test("who is brought back is fresh, who only changes its role is not", () => {
    const fresh = (...words: string[]) => {
      const result = enterJoint(
        { ...votersOf(1, 2), learners: [member(3)] },
        true,
        operations(...words),
      );
      return result.kind === "changed" ? [...result.fresh] : [];
    };
    assert.deepEqual(fresh("v3"), []);
    assert.deepEqual(fresh("v4", "l5"), [4, 5]);
    assert.deepEqual(fresh("r3", "v3"), [3]);
    assert.deepEqual(fresh("v4", "r4"), []);
    assert.deepEqual(fresh("r2", "v2"), [], "it never left the old half");
  });

  test("a joint change without voters is refused", () => {
    assert.equal(enterJoint(votersOf(1), false, operations("r1")).kind, "refused");
  });
});
