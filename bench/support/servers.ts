import { join } from "node:path";
import type { AgentConfig } from "../../src/agent/index.ts";
import { Child } from "./child.ts";
import type { LoopDelay } from "./loop-watch.ts";
import { cpuSeconds, residentMB } from "./processes.ts";

/** A server in a process of its own: ours, or an echo. */
class ServerProcess implements AsyncDisposable {
  protected readonly child: Child;
  readonly address: string;

  protected constructor(child: Child, address: string) {
    this.child = child;
    this.address = address;
  }

  /** Seconds of processor time used so far, by all its threads. */
  get cpuSeconds(): number {
    return cpuSeconds(this.child.pid);
  }

  get residentMB(): number {
    return residentMB(this.child.pid);
  }

  /** From now on the process notes how late its event loop is. */
  async watchLoop(): Promise<void> {
    await this.child.call("watchLoop");
  }

  async loopDelay(): Promise<LoopDelay> {
    return (await this.child.call("loopDelay")) as LoopDelay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
  }
}

/** grpc-js alone (`echo-server.ts`). */
export class EchoServer extends ServerProcess {
  static async start(directory: string): Promise<EchoServer> {
    const child = await Child.start("echo-server", [join(directory, "synced")]);
    return new EchoServer(child, (await child.call("address")) as string);
  }

  /** Every server stream from now on is this message so many times; 0 leaves streams idle. */
  async setOutgoing(message: Uint8Array, count: number): Promise<void> {
    await this.child.call("setOutgoing", { message, count });
  }
}

/** A whole server of ours (`agent-process.ts`). */
export class AgentServer extends ServerProcess {
  static async start(directory: string, settings: Partial<AgentConfig> = {}): Promise<AgentServer> {
    const args = [join(directory, "data"), JSON.stringify(settings)];
    const child = await Child.start("agent-process", args);
    return new AgentServer(child, (await child.call("address")) as string);
  }

  async gossipAddress(): Promise<string> {
    return (await this.child.call("gossipAddress")) as string;
  }

  /** From now on it stands still, and its connections with it, until `resume`. */
  pause(): void {
    process.kill(this.child.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.child.pid, "SIGCONT");
  }
}
