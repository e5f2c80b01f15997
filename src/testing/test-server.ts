import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Agent, type AgentConfig, startAgent } from "../agent/index.ts";
import { type Client, connect, type ConnectOptions } from "../client/index.ts";

export interface TestServerOptions {
  /** What an agent can be told (`proglog/agent`), where a test needs it otherwise. */
  readonly settings?: Partial<AgentConfig> | undefined;
  /** Keep the data here, and leave them there: for a test of what a restart does. */
  readonly dataDir?: string | undefined;
}

/** A server in this process, closed by `await using` or `close`. */
export interface TestServer extends AsyncDisposable {
  /** Where gRPC is answered: what `connect` takes. */
  readonly address: string;
  /** Where HTTP is answered: what `connect` of `proglog/browser` takes. */
  readonly httpUrl: string;
  readonly agent: Agent;
  /** A client of this server, which is closed with it. */
  client(options?: ConnectOptions): Client;
  close(): Promise<void>;
}

/** Resolves when the server answers. Rejects like `startAgent`; then nothing is left behind. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { settings, dataDir } = options;
  const directory = dataDir ?? (await mkdtemp(join(tmpdir(), "proglog-test-")));
  const removeData = async (): Promise<void> => {
    if (dataDir === undefined) await rm(directory, { recursive: true, force: true });
  };
  try {
    const agent = await startAgent({
      dataDir: directory,
      bindAddr: "127.0.0.1:0",
      rpcPort: 0,
      httpPort: "auto",
      bootstrap: true,
      fsync: "relaxed",
      ...settings,
    });
    return new RunningServer(agent, removeData);
  } catch (error) {
    await removeData();
    throw error;
  }
}

class RunningServer implements TestServer {
  readonly agent: Agent;
  readonly #removeData: () => Promise<void>;
  readonly #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  constructor(agent: Agent, removeData: () => Promise<void>) {
    this.agent = agent;
    this.#removeData = removeData;
  }

  get address(): string {
    return this.agent.rpcAddress;
  }

  get httpUrl(): string {
    return `http://${this.agent.httpAddress ?? this.agent.rpcAddress}`;
  }

  client(options: ConnectOptions = {}): Client {
    const client = connect(this.address, options);
    this.#clients.add(client);
    return client;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const client of this.#clients) await client.close();
    try {
      await this.agent.close();
    } finally {
      await this.#removeData();
    }
  }
}
