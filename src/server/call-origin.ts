import type { AppendOrigin } from "../base/index.ts";

interface Call {
  getPeer(): string;
  getDeadline(): Date | number;
}

/** Finds out who is at the other end by his address: the library shows handlers nothing else. */
export type SubjectAt = (peer: string) => string;

/** Who made a call. Nothing is looked up before it is asked, which it seldom is. */
export class CallOrigin implements AppendOrigin {
  readonly #call: Call;
  readonly #subjectAt: SubjectAt;

  constructor(call: Call, subjectAt: SubjectAt) {
    this.#call = call;
    this.#subjectAt = subjectAt;
  }

  get subject(): string {
    return this.#subjectAt(this.#call.getPeer());
  }

  get deadlineMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? deadline : undefined;
  }
}
