import type { ServerDuplexStream } from "@grpc/grpc-js";
import { limits, ProglogError } from "../base/index.ts";
import type { AppendAnswer } from "../base/index.ts";
import { CallOrigin } from "./call-origin.ts";
import type { SubjectAt } from "./call-origin.ts";
import type { StatusOf } from "./calls.ts";
import { failureOf } from "./failures.ts";
import type { AppendCaller, Appends } from "./produce.ts";

type Call = ServerDuplexStream<Buffer, Buffer>;

/** What the unanswered requests of all streams of a server hold, so that together they stay bounded. */
export class InFlightBytes {
  #bytes = 0;
  readonly #held = new Set<ProduceStream>();

  get full(): boolean {
    return this.#bytes >= limits.serverInFlightBytesMax;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#held.size === 0 || this.full) return;
    const held = [...this.#held];
    this.#held.clear();
    for (const stream of held) stream.readOrHold();
  }

  hold(stream: ProduceStream): void {
    this.#held.add(stream);
  }

  forget(stream: ProduceStream): void {
    this.#held.delete(stream);
  }
}

export interface ProduceStreamOptions {
  readonly appends: Appends;
  readonly inFlight: InFlightBytes;
  readonly statusOf: StatusOf;
  readonly subjectAt: SubjectAt;
  readonly onClose: (stream: ProduceStream) => void;
}

/** One request of a stream, from its arrival to its answer. */
interface Slot {
  readonly bytes: number;
  answer: AppendAnswer | undefined;
  error: ProglogError | undefined;
  next: Slot | undefined;
}

/**
 * One stream of appends: proposed as they come, answered in their order. Reading pauses while too
 * much is unanswered or the peer does not read its answers.
 *
 * After a failure nothing more of the stream is proposed. What was proposed before it is waited for,
 * because only then it is known whether anything after the last answer is in the log: the stream
 * then ends with the error of the first unanswered request, and with `notAppended` when that request
 * and all after it were refused.
 */
export class ProduceStream {
  readonly #call: Call;
  readonly #appends: Appends;
  readonly #inFlight: InFlightBytes;
  readonly #statusOf: StatusOf;
  readonly #onClose: (stream: ProduceStream) => void;
  /** Unanswered requests, in order. */
  #first: Slot | undefined;
  #last: Slot | undefined;
  #count = 0;
  #bytes = 0;
  /** By it the log knows what follows what, and appends nothing behind a failure. */
  readonly #caller: AppendCaller;
  #reading = true;
  #peerReads = true;
  #unsettled = 0;
  #state: "open" | "failed" | "ended" | "closed" = "open";

  constructor(call: Call, options: ProduceStreamOptions) {
    this.#call = call;
    this.#appends = options.appends;
    this.#inFlight = options.inFlight;
    this.#statusOf = options.statusOf;
    this.#onClose = options.onClose;
    this.#caller = { stream: {}, origin: new CallOrigin(call, options.subjectAt) };
    call.on("data", (request: Buffer) => {
      this.#receive(request);
    });
    call.on("end", () => {
      if (this.#state === "open") this.#state = "ended";
      this.#answer();
    });
    call.on("drain", () => {
      this.#peerReads = true;
      this.readOrHold();
    });
    call.on("cancelled", () => {
      this.#close();
    });
    this.readOrHold();
  }

  /** Nothing more is proposed; what was proposed is still answered. */
  stop(error: ProglogError): void {
    if (this.#state === "open") this.#refuse(error, 0);
  }

  /** Lets requests come in exactly while there is room for them. */
  readOrHold(): void {
    if (this.#state !== "open") return;
    const held = this.#inFlight.full;
    if (held) this.#inFlight.hold(this);
    // Half of what is allowed must be answered before reading goes on: neither side stutters.
    const share = this.#reading ? 1 : 0.5;
    const room =
      this.#count < share * limits.streamInFlightMax &&
      this.#bytes < share * limits.streamInFlightBytesMax;
    const reading = room && this.#peerReads && !held;
    if (reading === this.#reading) return;
    this.#reading = reading;
    if (reading) this.#call.resume();
    else this.#call.pause();
  }

  #receive(request: Buffer): void {
    if (this.#state !== "open") return;
    let proposed: Promise<AppendAnswer>;
    try {
      proposed = this.#appends.propose(request, this.#caller);
    } catch (caught) {
      this.#refuse(failureOf(caught), request.length);
      return;
    }
    const slot = this.#enter(request.length);
    this.#unsettled += 1;
    proposed.then(
      (answer) => {
        slot.answer = answer;
        this.#settle(slot);
      },
      (caught: unknown) => {
        slot.error = failureOf(caught);
        this.#fail();
        this.#settle(slot);
      },
    );
    this.readOrHold();
  }

  #enter(bytes: number): Slot {
    const slot: Slot = { bytes, answer: undefined, error: undefined, next: undefined };
    if (this.#last === undefined) this.#first = slot;
    else this.#last.next = slot;
    this.#last = slot;
    this.#count += 1;
    this.#bytes += bytes;
    this.#inFlight.add(bytes);
    return slot;
  }

  /** A request that was never proposed, at its place among the others. */
  #refuse(error: ProglogError, bytes: number): void {
    this.#enter(bytes).error = error;
    this.#inFlight.release(bytes);
    this.#fail();
    this.#answer();
  }

  #fail(): void {
    if (this.#state !== "open" && this.#state !== "ended") return;
    this.#state = "failed";
    this.#call.pause();
  }

  #settle(slot: Slot): void {
    this.#unsettled -= 1;
    this.#inFlight.release(slot.bytes);
    if (slot === this.#first || this.#unsettled === 0) this.#answer();
  }

  /** Answers what can be answered in order, and ends the stream when its end is reached. */
  #answer(): void {
    if (this.#state === "closed") return;
    while (this.#first?.answer !== undefined) {
      const { answer, bytes } = this.#first;
      this.#leave(this.#first);
      if (!this.#call.write(this.#appends.encode(answer))) this.#peerReads = false;
      this.#bytes -= bytes;
    }
    if (this.#unsettled > 0 || this.#state === "open") this.readOrHold();
    else this.#end();
  }

  #leave(slot: Slot): void {
    this.#first = slot.next;
    if (slot.next === undefined) this.#last = undefined;
    this.#count -= 1;
  }

  #end(): void {
    const error = this.#first?.error;
    let notAppended = true;
    for (let slot = this.#first; slot !== undefined; slot = slot.next) {
      if (slot.error?.notAppended !== true) notAppended = false;
    }
    this.#close();
    if (error === undefined) {
      this.#call.end();
      return;
    }
    const { code, message, details, cause } = error;
    const told = new ProglogError(code, message, { details, notAppended, cause });
    this.#call.emit("error", this.#statusOf(told, this.#call.getPath()));
  }

  #close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#first = undefined;
    this.#last = undefined;
    this.#inFlight.forget(this);
    this.#onClose(this);
  }
}
