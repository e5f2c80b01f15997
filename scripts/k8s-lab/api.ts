/** The API server, asked over HTTP: what is polled often is cheaper so than by kubectl. */
import { Agent, request } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { API } from "./files.ts";

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The parts of Kubernetes' objects that the lab looks at. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly podIP?: string;
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly containerID?: string;
    }[];
  };
}

export interface Listed<T> {
  readonly items: readonly T[];
}

export class Api {
  readonly #agent: Agent;
  readonly #token: string;

  constructor(ca: string, token: string) {
    this.#agent = new Agent({ ca, keepAlive: true });
    this.#token = token;
  }

  /** Answers also what was refused. */
  ask(method: string, path: string, content?: object): Promise<ApiAnswer> {
    const text = content === undefined ? undefined : JSON.stringify(content);
    const headers = { authorization: `Bearer ${this.#token}`, "content-type": "application/json" };
    const options = { agent: this.#agent, method, headers, timeout: 30_000 };
    return new Promise((resolve, reject) => {
      const sent = request(`${API}${path}`, options, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => (body += part));
        response.on("end", () => {
          const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
          resolve({
            status: response.statusCode ?? 0,
            body: isJson ? (JSON.parse(body) as unknown) : body,
          });
        });
        response.on("error", reject);
      });
      sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.on("error", reject).end(text);
    });
  }

  async get<T>(path: string): Promise<T> {
    const { status, body } = await this.ask("GET", path);
    if (status === 200) return body as T;
    throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
  }

  async pods(namespace: string): Promise<readonly Pod[]> {
    const selector = "labelSelector=app.kubernetes.io%2Fcomponent%3Dserver";
    const path = `/api/v1/namespaces/${namespace}/pods?${selector}`;
    return (await this.get<Listed<Pod>>(path)).items;
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function isReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  return pod.status.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true;
}

/** Waits until `look` answers something; on its last failure it says what that was. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 240_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let last: unknown; ;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs / 1_000} s`, { cause: last });
    await pause(500);
  }
}
