/** The chart as one release in the lab: what an operator types, and what is seen of the pods. */
import { dirname, join } from "node:path";
import { CHART, helmProgram, kubectlProgram } from "../../test/deploy/support/helm.ts";
import { root } from "../../test/support/root.ts";
import { isReady, type Pod, until } from "./api.ts";
import { command, type CommandOptions, type Ended, must } from "./commands.ts";
import { DNS_DOMAIN } from "./files.ts";
import type { Lab } from "./lab.ts";

export const NAMESPACE = "logs";
export const NAME = "proglog";
/** The chart's default. */
export const SERVERS = 3;
/** Longest of all: a server that is drained waits for the budget, and for its volume. */
const WAIT = "6m";

export class Release {
  readonly lab: Lab;
  readonly #certificates: string;

  /** `certificates`: a folder with the authority, and a client's and all peers' certificates. */
  constructor(lab: Lab, certificates: string) {
    this.lab = lab;
    this.#certificates = certificates;
  }

  /** Pods, where clients inside dial the Service: no kube-proxy makes its address reachable from here. */
  get address(): string {
    return Array.from({ length: SERVERS }, (_, at) => this.addressOf(`${NAME}-${at}`)).join(",");
  }

  addressOf(pod: string): string {
    return `${pod}.${NAME}-headless.${NAMESPACE}.svc.${DNS_DOMAIN}:8400`;
  }

  get tls(): { caFile: string; certFile: string; keyFile: string } {
    const at = (name: string): string => join(this.#certificates, name);
    return { caFile: at("ca.pem"), certFile: at("root.pem"), keyFile: at("root-key.pem") };
  }

  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    return command(kubectlProgram(), args, { ...options, env: this.#env });
  }

  mustKubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return must(kubectlProgram(), args, { ...options, env: this.#env });
  }

  helm(args: readonly string[]): Promise<string> {
    const options = { env: this.#env, timeoutMs: 500_000 };
    return must(helmProgram(), [...args, "--namespace", NAMESPACE], options);
  }

  /** `helm upgrade --install --wait` with these values besides the lab's own. */
  async upgrade(values: string, set: Readonly<Record<string, string | number>>): Promise<void> {
    const sets = Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const args = ["upgrade", "--install", NAME, CHART, "--values", values, ...sets];
    await this.helm([...args, "--wait", "--timeout", WAIT]);
  }

  pods(): Promise<readonly Pod[]> {
    return this.lab.api.pods(NAMESPACE);
  }

  untilReady(count: number): Promise<readonly Pod[]> {
    return until(`${count} pods are ready`, async () => {
      const pods = await this.pods();
      return pods.length === count && pods.every(isReady) && pods;
    });
  }

  /** The command line, as a client with the lab's certificate. */
  proglog(...args: readonly string[]): Promise<string> {
    const { caFile, certFile, keyFile } = this.tls;
    const tls = ["--tls-ca-file", caFile, "--tls-cert-file", certFile, "--tls-key-file", keyFile];
    const main = join(root, "dist", "cli", "main.js");
    return must(process.execPath, [main, ...args, "--address", this.address, ...tls]);
  }

  get #env(): NodeJS.ProcessEnv {
    const { kubeconfig } = this.lab;
    // What they remember of the API server lies beside it.
    return { PATH: process.env["PATH"], HOME: dirname(kubeconfig), KUBECONFIG: kubeconfig };
  }
}
