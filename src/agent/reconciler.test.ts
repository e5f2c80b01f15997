/** Who is let in, and what is said of those who are not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits, NOBODY, ProglogError } from "../base/index.ts";
import type { Clock, Configuration, ConfigurationMember } from "../base/index.ts";
import { hearing } from "../../test/support/heard.ts";
import { REPLICA_ROLE, TAG } from "./peer-addresses.ts";
import { Reconciler } from "./reconciler.ts";
import type { ReconcilerParts } from "./reconciler.ts";

const memberOf = (replicaId: number, name: string): ConfigurationMember => ({ replicaId, name });

/** A leader, `a`, whose log answers changes as the test wants, and servers that gossip shows to it. */
class World implements AsyncDisposable {
  readonly heard = hearing();
  readonly asked: string[] = [];
  readonly refusals = new Map<string, string>();
  seen: ConfigurationMember[] = [];
  configuration: Configuration = { ...NOBODY, voters: [memberOf(1, "a")] };
  due: (() => void) | undefined;
  readonly reconciler: Reconciler;

  constructor() {
    this.reconciler = new Reconciler({
      replica: this.#replica(),
      membership: this.#membership(),
      links: { links: { learn: () => undefined, isOpen: () => true } },
      observer: this.heard.observer,
      clock: {
        now: () => 0,
        monotonic: () => 0,
        after: (ms, callback) => {
          assert.equal(ms, limits.reconcileIntervalMs);
          this.due = callback;
          return () => (this.due = undefined);
        },
      } satisfies Clock,
    } as unknown as ReconcilerParts);
  }

  /** Somebody without a cluster lets this leader in. */
  comes(member: ConfigurationMember): void {
    this.seen = [...this.seen, member];
    const from = { ...member, clusterId: "" };
    this.reconciler.answered(member, { kind: "welcome", from } as never);
  }

  goes({ replicaId }: ConfigurationMember): void {
    this.seen = this.seen.filter((member) => member.replicaId !== replicaId);
  }

  /** All are looked at so many times more. */
  async pass(times: number): Promise<void> {
    await turn();
    for (let i = 0; i < times; i++) {
      this.due?.();
      await turn();
    }
  }

  get notLetIn(): readonly string[] {
    return this.heard.events
      .filter(({ event }) => event === "replica.not-let-in")
      .map(({ fields }) => `${String(fields["replica"])}: ${String(fields["reason"])}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reconciler.close();
  }

  #membership(): unknown {
    return {
      name: "a",
      members: () =>
        this.seen.map(({ name, replicaId }) => {
          const tags = { [TAG.role]: REPLICA_ROLE, [TAG.replicaId]: String(replicaId) };
          return { name, status: "alive", tags };
        }),
      subscribe: () => () => undefined,
    };
  }

  #replica(): unknown {
    const configuration = (): Configuration => this.configuration;
    return {
      isLeading: true,
      get status() {
        return { configuration: configuration() };
      },
      onChange: () => () => undefined,
      members: {
        isCaughtUp: () => false,
        silentMs: () => 0,
        addLearner: (member: ConfigurationMember) => {
          this.asked.push(member.name);
          const refusal = this.refusals.get(member.name);
          if (refusal !== undefined) {
            return Promise.reject(new ProglogError("CONFIGURATION", refusal));
          }
          const { learners } = this.configuration;
          this.configuration = { ...this.configuration, learners: [...learners, member] };
          return Promise.resolve();
        },
      },
    };
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the reconciler", () => {
  test("says once why somebody is not let in, and again when it is another reason", async () => {
    await using world = new World();
    world.refusals.set("b", "there are too many");
    world.comes(memberOf(2, "b"));
    await world.pass(20);
    assert.ok(world.asked.length > 20, "asked again and again");
    assert.deepEqual(world.notLetIn, ["b: there are too many"]);
    world.refusals.set("b", "another of this name is there");
    await world.pass(20);
    assert.deepEqual(world.notLetIn.slice(1), ["b: another of this name is there"]);
    // One that went away and comes back is news.
    world.goes(memberOf(2, "b"));
    await world.pass(1);
    world.comes(memberOf(2, "b"));
    world.reconciler.look();
    await world.pass(5);
    assert.equal(world.notLetIn.length, 3);
  });

  test("lets others in beside one that is refused", async () => {
    await using world = new World();
    for (const name of ["b", "d"]) world.refusals.set(name, "not this one");
    world.comes(memberOf(2, "b"));
    world.comes(memberOf(3, "c"));
    world.comes(memberOf(4, "d"));
    await world.pass(20);
    assert.deepEqual(
      world.configuration.learners.map(({ name }) => name),
      ["c"],
    );
    assert.deepEqual(world.notLetIn, ["b: not this one", "d: not this one"]);
  });
});
