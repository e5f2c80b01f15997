/**
 * The machines of the lab and what governs them. This runs inside namespaces that `main.ts` made: all that
 * is started here ends with this process, and its links and mounts go with it.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Api, until } from "./api.ts";
import type { Listed } from "./api.ts";
import { must, mustNow } from "./commands.ts";
import * as files from "./files.ts";
import { API, CGROUP, LAB_IP, PAUSE_IMAGE, SERVICE_NETWORK } from "./files.ts";

export interface LabOptions {
  /** What build.sh made: programs in `bin`. */
  readonly built: string;
  /** Archives of images that every machine has. */
  readonly images: readonly string[];
  /** Everything is written here. */
  readonly folder: string;
  readonly machines: number;
}

interface Users {
  readonly name: string;
  readonly group?: string;
}

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export class Lab {
  readonly #options: LabOptions;
  readonly #at: (...names: string[]) => string;
  readonly #tokens = new Map<string, string>();
  #api: Api | undefined;

  constructor(options: LabOptions) {
    this.#options = options;
    this.#at = (...names) => join(options.folder, ...names);
    mkdirSync(this.#at("logs"), { recursive: true });
  }

  get api(): Api {
    if (this.#api === undefined) throw new Error("the lab has not been started");
    return this.#api;
  }

  /** For kubectl and helm. */
  get kubeconfig(): string {
    return this.#at("admin.kubeconfig");
  }

  get machines(): readonly string[] {
    return Array.from({ length: this.#options.machines }, (_, at) => `machine-${at + 1}`);
  }

  async start(): Promise<void> {
    this.#network();
    await this.#identities();
    await this.#controlPlane();
    await Promise.all(this.machines.map((_, at) => this.#machine(at + 1)));
    await until("the machines are ready", async () => {
      const { items } = await this.api.get<Listed<NodeObject>>("/api/v1/nodes");
      const ready = items.filter(({ status }) =>
        status.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
      );
      return ready.length === this.#options.machines;
    });
  }

  #network(): void {
    mustNow("mount -t tmpfs tmpfs /run");
    mustNow("ip link set lo up");
    mustNow("ip link add lab type bridge");
    mustNow(`ip addr add ${LAB_IP}/24 dev lab`);
    mustNow("ip link set lab up");
    for (const [at, name] of this.machines.entries()) {
      mustNow(`ip netns add ${name}`);
      mustNow(`ip link add link-${at + 1} type veth peer name eth0 netns ${name}`);
      mustNow(`ip link set link-${at + 1} master lab up`);
      mustNow(`ip -n ${name} link set lo up`);
      mustNow(`ip -n ${name} addr add ${ipOf(at + 1)}/24 dev eth0`);
      mustNow(`ip -n ${name} link set eth0 up`);
      mustNow(`ip -n ${name} route add default via ${LAB_IP}`);
    }
    for (const [at, name] of this.machines.entries()) {
      mustNow(`ip route add ${podNetworkOf(at + 1)} via ${ipOf(at + 1)}`);
      for (const other of this.machines.keys()) {
        if (other === at) continue;
        mustNow(`ip -n ${name} route add ${podNetworkOf(other + 1)} via ${ipOf(other + 1)}`);
      }
    }
    writeFileSync(this.#at("resolv.conf"), `nameserver ${LAB_IP}\noptions timeout:2 attempts:3\n`);
    mustNow(`mount --bind ${this.#at("resolv.conf")} /etc/resolv.conf`);
  }

  /** One certificate that is its own authority, a key for service accounts, and a token for each user. */
  async #identities(): Promise<void> {
    const names = `subjectAltName=IP:${LAB_IP},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc`;
    await must("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "2", "-subj", "/CN=lab", "-addext", names],
      ...["-keyout", this.#at("api.key"), "-out", this.#at("api.crt")],
    ]);
    await must("openssl", ["genrsa", "-out", this.#at("accounts.key"), "2048"]);
    const users: Users[] = [
      { name: "admin", group: "system:masters" },
      { name: "system:kube-controller-manager" },
      { name: "system:kube-scheduler" },
      { name: "system:kube-proxy" },
      ...this.machines.map((name) => ({ name: `system:node:${name}`, group: "system:nodes" })),
    ];
    const lines = users.map(({ name, group = "" }) => {
      const token = randomBytes(24).toString("hex");
      this.#tokens.set(name, token);
      return `${token},${name},${name},"${group}"\n`;
    });
    writeFileSync(this.#at("tokens.csv"), lines.join(""), { mode: 0o600 });
    this.#kubeconfig("admin", "admin.kubeconfig");
    this.#kubeconfig("system:kube-controller-manager", "controller-manager.kubeconfig");
    this.#kubeconfig("system:kube-scheduler", "scheduler.kubeconfig");
    this.#api = new Api(readFileSync(this.#at("api.crt"), "utf8"), this.#tokens.get("admin") ?? "");
  }

  async #controlPlane(): Promise<void> {
    this.#run("etcd", [
      `--data-dir=${this.#at("etcd")}`,
      "--listen-client-urls=http://127.0.0.1:2379",
      "--advertise-client-urls=http://127.0.0.1:2379",
      "--listen-peer-urls=http://127.0.0.1:2380",
      "--unsafe-no-fsync",
    ]);
    this.#run("kube-apiserver", [
      "--etcd-servers=http://127.0.0.1:2379",
      "--bind-address=0.0.0.0",
      `--advertise-address=${LAB_IP}`,
      `--cert-dir=${this.#at("api")}`,
      `--tls-cert-file=${this.#at("api.crt")}`,
      `--tls-private-key-file=${this.#at("api.key")}`,
      `--client-ca-file=${this.#at("api.crt")}`,
      `--token-auth-file=${this.#at("tokens.csv")}`,
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      "--kubelet-preferred-address-types=InternalIP",
      `--service-cluster-ip-range=${SERVICE_NETWORK}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${this.#at("accounts.key")}`,
      `--service-account-signing-key-file=${this.#at("accounts.key")}`,
    ]);
    await until("the API server answers", async () => {
      const { status } = await this.api.ask("GET", "/readyz");
      return status === 200;
    });
    const manager = this.#at("controller-manager.kubeconfig");
    this.#run("kube-controller-manager", [
      `--kubeconfig=${manager}`,
      `--authentication-kubeconfig=${manager}`,
      `--authorization-kubeconfig=${manager}`,
      "--bind-address=127.0.0.1",
      "--leader-elect=false",
      "--use-service-account-credentials",
      `--root-ca-file=${this.#at("api.crt")}`,
      `--service-account-private-key-file=${this.#at("accounts.key")}`,
    ]);
    const scheduler = this.#at("scheduler.kubeconfig");
    this.#run("kube-scheduler", [
      `--kubeconfig=${scheduler}`,
      `--authentication-kubeconfig=${scheduler}`,
      `--authorization-kubeconfig=${scheduler}`,
      "--bind-address=127.0.0.1",
      "--leader-elect=false",
    ]);
    writeFileSync(this.#at("Corefile"), files.corefile(this.kubeconfig));
    this.#run("coredns", ["-conf", this.#at("Corefile")]);
  }

  async #machine(number: number): Promise<void> {
    const name = `machine-${number}`;
    const folder = this.#at(name);
    const machine: files.MachineFiles = {
      ...{ name, ip: ipOf(number), podNetwork: podNetworkOf(number), folder },
    };
    mkdirSync(join(folder, "cni"), { recursive: true });
    writeFileSync(join(folder, "containerd.toml"), files.containerdConfig(machine));
    writeFileSync(join(folder, "cni", "lab.conflist"), files.cniConfig(machine));
    writeFileSync(join(folder, "kubelet.yaml"), files.kubeletConfig(machine));
    writeFileSync(join(folder, "proxy.yaml"), files.proxyConfig(machine));
    this.#kubeconfig(`system:node:${name}`, join(name, "kubelet.kubeconfig"));
    this.#kubeconfig("system:kube-proxy", join(name, "proxy.kubeconfig"));
    for (const hierarchy of hierarchies())
      mkdirSync(join(hierarchy, CGROUP, name), { recursive: true });
    this.#run(
      "nsenter",
      [
        ...[`--net=/run/netns/${name}`, "unshare", "--mount", "--pid", "--uts", "--fork"],
        ...["--kill-child", "--mount-proc", join(import.meta.dirname, "machine.sh"), name, folder],
      ],
      { NODE_IP: machine.ip },
      name,
    );
    const containerd = ["--address", join(folder, "containerd.sock"), "--namespace", "k8s.io"];
    const ctr = join(this.#options.built, "bin", "ctr");
    await until(`${name}: containerd answers`, async () => {
      await must(ctr, [...containerd, "version"]);
      return true;
    });
    for (const image of this.#options.images)
      await must(ctr, [...containerd, "images", "import", image]);
    const listed = await must(ctr, [...containerd, "images", "list", "--quiet"]);
    if (!listed.includes(PAUSE_IMAGE)) throw new Error(`${name} has only these images: ${listed}`);
  }

  #kubeconfig(user: string, file: string): void {
    const config = files.kubeconfig(this.#at("api.crt"), user, this.#tokens.get(user) ?? "");
    writeFileSync(this.#at(file), config, { mode: 0o600 });
  }

  /** A program that stays. When it ends, that is told once. */
  #run(
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    name = program,
  ): void {
    const log = openSync(this.#at("logs", name), "a");
    const path = `${join(this.#options.built, "bin")}:${process.env["PATH"] ?? ""}`;
    const child = spawn(program, args, {
      ...{ stdio: ["ignore", log, log], env: { ...process.env, PATH: path, ...env } },
    });
    const tell = (what: string): void =>
      console.error(`${name} ${what}: see ${this.#at("logs", name)}`);
    child.on("error", (error) => tell(error.message));
    child.on("exit", (code, signal) => tell(`ended with ${code ?? signal ?? "?"}`));
  }
}

export const API_ADDRESS: string = API;

function ipOf(machine: number): string {
  return `10.77.0.${10 + machine}`;
}

function podNetworkOf(machine: number): string {
  return `10.77.${machine}.0/24`;
}

/** Where control groups are mounted, of either version. */
export function hierarchies(): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, place = ""]) => place);
}
