import type { Server, ServerWritableStream } from "@grpc/grpc-js";
import { HealthImplementation, service as HEALTH_SERVICE } from "grpc-health-check";
import { LOG_SERVICE } from "../api/index.ts";

type WatchCall = ServerWritableStream<{ service: string }, { status: string }>;

/** "" is the server as a whole. */
const SERVICES = ["", LOG_SERVICE];

const UNKNOWN = Object.freeze({ service: "?" });

/**
 * `grpc.health.v1.Health`. Watching is ours, since the library keeps every name that was ever
 * watched and does not end its streams when a server wants to stop.
 */
export class Health {
  readonly #library: HealthImplementation;
  readonly #watchers = new Set<WatchCall>();
  readonly #serving = new Map<string, boolean>();

  #isClosed = false;

  /** `names` are all that can be asked for. */
  constructor(serving: boolean, names: readonly string[] = SERVICES) {
    this.#library = new HealthImplementation();
    this.setServing(serving, names);
  }

  /** Without names: of all of them. */
  setServing(serving: boolean, names: readonly string[] = [...this.#serving.keys()]): void {
    for (const name of names) {
      this.#serving.set(name, serving);
      this.#library.setStatus(name, statusWord(serving));
    }
    for (const call of this.#watchers) this.#tell(call);
  }

  /** Ends all watches. */
  close(): void {
    this.#isClosed = true;
    for (const call of this.#watchers) call.end();
    this.#watchers.clear();
  }

  addToServer(server: Pick<Server, "addService">): void {
    this.#library.addToServer({
      addService: (definition, handlers) =>
        server.addService(definition, {
          ...handlers,
          watch: (call: WatchCall) => {
            this.#watch(call);
          },
        }),
    });
  }

  #watch(call: WatchCall): void {
    // It is asked by anybody, and kept for as long as he likes: a name that is none is not kept.
    if (!this.#serving.has(call.request.service)) call.request = UNKNOWN;
    this.#tell(call);
    if (this.#isClosed) {
      call.end();
      return;
    }
    this.#watchers.add(call);
    call.on("cancelled", () => this.#watchers.delete(call));
  }

  #tell(call: WatchCall): void {
    const serving = this.#serving.get(call.request.service);
    call.write({ status: serving === undefined ? "SERVICE_UNKNOWN" : statusWord(serving) });
  }
}

function statusWord(serving: boolean): "SERVING" | "NOT_SERVING" {
  return serving ? "SERVING" : "NOT_SERVING";
}

/** `grpc/health/v1/health.proto`, serialized, with what it needs. */
export function healthFileDescriptors(): Buffer[] {
  const [method] = Object.values(HEALTH_SERVICE);
  return method?.requestType.fileDescriptorProtos ?? [];
}
