import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  encodeBatch,
  ProglogError,
  seededRandom,
  silentObserver,
  systemClock,
} from "../base/index.ts";
import type { AppendAnswer, AppendOptions, AppendStream } from "../base/index.ts";
import {
  decodeForwardRequest,
  decodeForwardResults,
  encodeForwardRequest,
  encodeForwardResults,
} from "./forward-codec.ts";
import type { ForwardRequest, ForwardResult } from "./forward-codec.ts";
import { ForwardedAppends } from "./forwarded.ts";
import { Forwarder } from "./forwarding.ts";
import type { LocalAppends } from "./forwarding.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const LEADER = { name: "one", replicaId: 1 };
const answerAt = (baseOffset: number): AppendAnswer => ({
  ...{ baseOffset, recordCount: 1, term: 3, timestampMs: 5, duplicate: false },
});
const ok = (baseOffset: number): ForwardResult => ({
  kind: "appended",
  answer: answerAt(baseOffset),
});
const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A server whose appends the test answers. */
class Local implements LocalAppends {
  decides = false;
  term = 3;
  leader: LocalAppends["leader"] = LEADER;
  readonly appended: { value: string; options: AppendOptions }[] = [];
  refusal: ProglogError | undefined;

  append(record: { value: Uint8Array | null }, options: AppendOptions): Promise<AppendAnswer> {
    return this.#take(new TextDecoder().decode(record.value ?? undefined), options);
  }
  appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer> {
    return this.#take(`${batch.length}`, options);
  }
  createProducer(): Promise<{ id: number; epoch: number }> {
    return Promise.resolve({ id: 7, epoch: 2 });
  }
  notLeader(): ProglogError {
    const details = { leader: "one", leader_rpc_addr: "h:1" };
    return new ProglogError("NOT_LEADER", "not here", { details, notAppended: true });
  }
  #take(value: string, options: AppendOptions): Promise<AppendAnswer> {
    if (options.stream?.failed !== undefined) return Promise.reject(options.stream.failed);
    this.appended.push({ value, options });
    if (this.refusal === undefined) return Promise.resolve(answerAt(this.appended.length - 1));
    if (options.stream !== undefined) options.stream.failed ??= this.refusal;
    return Promise.reject(this.refusal);
  }
}

/** One question to the leader, and the test's answer to it. */
interface Asked {
  readonly request: ForwardRequest;
  readonly to: string;
  readonly answer: (results: readonly ForwardResult[]) => void;
  readonly fail: (error: ProglogError) => void;
}

function forwarder(local: Local): { readonly forwarder: Forwarder; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    forwarder: new Forwarder({
      local,
      ask: (leader, payload) =>
        new Promise((resolve, reject) => {
          asked.push({
            request: decodeForwardRequest(payload),
            to: leader.name,
            answer: (results) => resolve(encodeForwardResults(results)),
            fail: reject,
          });
        }),
      clock: systemClock,
      random: seededRandom(1),
      observer: silentObserver,
      schedule: (task) => void setImmediate(task),
    }),
  };
}

const outcome = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => "ok",
    (error: unknown) => {
      assert.ok(error instanceof ProglogError);
      return `${error.code}${error.notAppended ? " not appended" : ""}`;
    },
  );

describe("appends at a server that does not lead", () => {
  test("what comes together goes together, with all that belongs to it", async () => {
    const local = new Local();
    const { forwarder: at, asked } = forwarder(local);
    const stamp = { id: 9, epoch: 1, sequence: 4 };
    const origin = { subject: "root", deadlineMs: undefined };
    const batch = encodeBatch([{ value: bytes("b") }], { nowMs: 1 });
    const answers = [
      at.append({ value: bytes("a") }, { stamp, expectedOffset: 12, origin }),
      at.appendBatch(batch, {}),
    ];
    const producer = at.createProducer("name");
    await tick();
    assert.equal(asked.length, 1);
    const { request, to, answer } = asked[0] ?? assert.fail();
    assert.deepEqual([to, request.term, request.timeoutMs], ["one", 3, 30_000]);
    const [first, second, third] = request.appends;
    assert.deepEqual([first?.kind, first?.subject, first?.expectedOffset], ["record", "root", 12]);
    assert.deepEqual(first?.stamp, stamp);
    assert.deepEqual([second?.kind, second?.stamp], ["batch", undefined]);
    assert.deepEqual(new Uint8Array(second?.body ?? []), batch);
    assert.equal(third?.kind, "producer");
    answer([ok(40), ok(41), { kind: "producer", identity: { id: 5, epoch: 6 } }]);
    assert.deepEqual(
      (await Promise.all(answers)).map(({ baseOffset }) => baseOffset),
      [40, 41],
    );
    assert.deepEqual(await producer, { id: 5, epoch: 6 });
    assert.equal(local.appended.length, 0);
  });

  test("it is told as not appended when it never left or the leader said so, else not", async () => {
    const { forwarder: at, asked } = forwarder(new Local());
    const send = async (): Promise<[Promise<string>, Asked]> => {
      const answer = outcome(at.append({ value: bytes("x") }, {}));
      await tick();
      return [answer, asked.pop() ?? assert.fail()];
    };
    const [unsent, first] = await send();
    first.fail(new ProglogError("UNAVAILABLE", "no link", { notAppended: true }));
    assert.equal(await unsent, "NOT_LEADER not appended");
    const [lost, second] = await send();
    second.fail(new ProglogError("UNAVAILABLE", "the connection broke"));
    assert.equal(await lost, "UNAVAILABLE");
    const [late, third] = await send();
    third.fail(new ProglogError("DEADLINE_EXCEEDED", "late"));
    assert.equal(await late, "DEADLINE_EXCEEDED");
    for (const notAppended of [true, false]) {
      const [refused, next] = await send();
      const error = new ProglogError("OFFSET_MISMATCH", "no", { notAppended });
      next.answer([{ kind: "failed", error }]);
      assert.equal(await refused, `OFFSET_MISMATCH${notAppended ? " not appended" : ""}`);
    }
    const [garbled, last] = await send();
    last.answer([]);
    assert.equal(await garbled, "CORRUPT_BATCH");
    // Never again, whatever became of it.
    assert.equal(asked.length, 0);
  });

  test("without a leader, or for one who has given up, nothing is sent", async () => {
    const local = new Local();
    const { forwarder: at, asked } = forwarder(local);
    const lateOrigin = { subject: "", deadlineMs: systemClock.now() - 1 };
    const late = outcome(at.append({ value: null }, { origin: lateOrigin }));
    const given = new AbortController();
    const abandoned = outcome(at.append({ value: null }, { signal: given.signal }));
    given.abort();
    await tick();
    assert.equal(await late, "DEADLINE_EXCEEDED not appended");
    assert.equal(await abandoned, "CANCELLED");
    local.leader = undefined;
    assert.equal(await outcome(at.append({ value: null }, {})), "NOT_LEADER not appended");
    local.leader = LEADER;
    const waiting = outcome(at.append({ value: null }, {}));
    local.leader = undefined;
    assert.equal(await waiting, "NOT_LEADER not appended");
    assert.equal(asked.length, 0);
  });

  test("a caller who gives up is told so, also when it is on its way", async () => {
    const { forwarder: at, asked } = forwarder(new Local());
    const given = new AbortController();
    const answer = outcome(at.append({ value: null }, { signal: given.signal }));
    await tick();
    assert.equal(asked.length, 1);
    given.abort();
    assert.equal(await answer, "CANCELLED");
    asked[0]?.answer([ok(1)]);
  });

  test("one who leads by the time it would be sent keeps it", async () => {
    const local = new Local();
    const { forwarder: at, asked } = forwarder(local);
    const answer = at.append({ value: bytes("mine") }, {});
    local.decides = true;
    assert.equal((await answer).baseOffset, 0);
    assert.deepEqual([asked.length, local.appended.length], [0, 1]);
  });

  test("what waits and what is on its way is bounded", async () => {
    const { forwarder: at, asked } = forwarder(new Local());
    const large = { value: new Uint8Array(1024 * 1024 - 100) };
    const answers = Array.from({ length: 40 }, () => outcome(at.append(large, {})));
    await tick();
    assert.equal(asked.length, 16);
    const refused = answers.slice(31);
    assert.deepEqual(
      new Set(await Promise.all(refused)),
      new Set(["RESOURCE_EXHAUSTED not appended"]),
    );
    for (let at = 0; at < 31; at++) {
      asked[at]?.answer([ok(at)]);
      await tick();
    }
    assert.deepEqual(new Set(await Promise.all(answers.slice(0, 31))), new Set(["ok"]));
  });
});

describe("a stream at a server that does not lead", () => {
  test("its appends have places; after a failure nothing more is sent", async () => {
    const { forwarder: at, asked } = forwarder(new Local());
    const stream: AppendStream = {};
    const first = outcome(at.append({ value: null }, { stream }));
    await tick();
    const second = outcome(at.append({ value: null }, { stream }));
    await tick();
    const places = asked.flatMap(({ request }) => request.appends.map((append) => append.stream));
    assert.deepEqual(
      places.map((place) => place?.position),
      [0, 1],
    );
    assert.equal(places[0]?.id, places[1]?.id);
    asked[0]?.fail(new ProglogError("UNAVAILABLE", "the connection broke"));
    assert.equal(await first, "UNAVAILABLE");
    assert.equal(await outcome(at.append({ value: null }, { stream })), "UNAVAILABLE not appended");
    asked[1]?.fail(new ProglogError("UNAVAILABLE", "the connection broke"));
    assert.equal(await second, "UNAVAILABLE");
    await tick();
    assert.equal(asked.length, 2);
  });

  for (const change of ["another leads", "this one leads", "another term"]) {
    test(`${change}: what is open ends before anything goes the other way`, async () => {
      const local = new Local();
      const { forwarder: at, asked } = forwarder(local);
      const stream: AppendStream = {};
      const calm: AppendStream = {};
      const answered = at.append({ value: null }, { stream: calm });
      await tick();
      asked[0]?.answer([ok(0)]);
      await answered;
      const open = outcome(at.append({ value: null }, { stream }));
      await tick();
      if (change === "another leads") local.leader = { name: "two", replicaId: 2 };
      else if (change === "this one leads") local.decides = true;
      else local.term = 4;
      const behind = outcome(at.append({ value: null }, { stream }));
      await tick();
      assert.equal(await behind, "UNAVAILABLE not appended");
      assert.deepEqual([asked.length, local.appended.length], [2, 0]);
      asked[1]?.answer([ok(1)]);
      assert.equal(await open, "ok");
      // A stream of which nothing is open may go on.
      const next = outcome(at.append({ value: null }, { stream: calm }));
      await tick();
      asked[2]?.answer([ok(2)]);
      assert.equal(await next, "ok");
      const place = change === "this one leads" ? undefined : 0;
      assert.equal(asked[2]?.request.appends[0]?.stream?.position, place);
    });
  }
});

describe("appends from other servers", () => {
  const leading = (): { local: Local; at: ForwardedAppends } => {
    const local = new Local();
    local.decides = true;
    return {
      local,
      at: new ForwardedAppends({ local, clock: systemClock, observer: silentObserver }),
    };
  };
  const request = (term: number, ...positions: readonly (number | undefined)[]): Uint8Array =>
    encodeForwardRequest({
      term,
      timeoutMs: 1_000,
      appends: positions.map((position) => ({
        ...{ kind: "record", subject: "root", expectedOffset: undefined, stamp: undefined },
        stream: position === undefined ? undefined : { id: 77, position },
        body: encodeBatch([{ value: bytes(`value ${position}`) }], { nowMs: 0 }),
      })),
    });
  const codes = async (answer: Promise<Uint8Array>, count: number): Promise<string[]> => {
    return decodeForwardResults(await answer, count).map((result) =>
      result.kind === "failed"
        ? `${result.error.code}${result.error.notAppended ? " not appended" : ""}`
        : result.kind,
    );
  };

  test("of another term, or when it does not lead: nothing is taken", async () => {
    const { local, at } = leading();
    assert.equal(await outcome(at.answer(request(2, undefined), 5)), "NOT_LEADER not appended");
    local.decides = false;
    assert.equal(await outcome(at.answer(request(3, undefined), 5)), "NOT_LEADER not appended");
    local.decides = true;
    assert.equal(await outcome(at.answer(bytes("garbage"), 5)), "CORRUPT_BATCH not appended");
    const torn = request(3, undefined).subarray(0, -1);
    assert.equal(await outcome(at.answer(torn, 5)), "CORRUPT_BATCH not appended");
    assert.equal(local.appended.length, 0);
    assert.deepEqual(await codes(at.answer(request(3, undefined), 5), 1), ["appended"]);
    assert.equal(local.appended[0]?.value, "value undefined");
  });

  test("behind a gap of its stream nothing is appended, and behind a refusal nothing", async () => {
    const { local, at } = leading();
    assert.deepEqual(await codes(at.answer(request(3, 0, 1), 5), 2), ["appended", "appended"]);
    const gap = "UNAVAILABLE not appended";
    assert.deepEqual(await codes(at.answer(request(3, 3, 4), 5), 2), [gap, gap]);
    assert.deepEqual(await codes(at.answer(request(3, 2), 5), 1), [gap]);
    // The same number of another server is another stream.
    local.refusal = new ProglogError("SEQUENCE_GAP", "no", { notAppended: true });
    const refused = "SEQUENCE_GAP not appended";
    assert.deepEqual(await codes(at.answer(request(3, 0), 6), 1), [refused]);
    local.refusal = undefined;
    assert.deepEqual(await codes(at.answer(request(3, 1), 6), 1), [refused]);
    assert.equal(local.appended.length, 3);
  });

  test("one that it does not remember is refused in its middle", async () => {
    const { local, at } = leading();
    assert.deepEqual(await codes(at.answer(request(3, 1), 5), 1), ["UNAVAILABLE not appended"]);
    assert.equal(local.appended.length, 0);
  });
});
