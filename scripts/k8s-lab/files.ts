/** The settings of every program of the lab, as files. */
import { join } from "node:path";

/** Pods of machine N are in 10.77.N.0/24; the lab itself, with the control plane, is at 10.77.0.1. */
export const LAB_IP = "10.77.0.1";
export const SERVICE_NETWORK = "10.96.0.0/16";
export const API = `https://${LAB_IP}:6443`;
export const DNS_DOMAIN = "cluster.local";
export const PAUSE_IMAGE = "localhost/pause:lab";
/** Below each hierarchy of control groups. */
export const CGROUP = "proglog-lab";

export interface MachineFiles {
  readonly name: string;
  readonly ip: string;
  readonly podNetwork: string;
  readonly folder: string;
}

export function kubeconfig(ca: string, user: string, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "lab",
    clusters: [{ name: "lab", cluster: { server: API, "certificate-authority": ca } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "lab", context: { cluster: "lab", user } }],
  });
}

/** CoreDNS as kubeadm has it: a name that was not there is remembered as missing for a while. */
export function corefile(kubeconfigFile: string): string {
  return `.:53 {
  bind ${LAB_IP}
  errors
  kubernetes ${DNS_DOMAIN} in-addr.arpa ip6.arpa {
    kubeconfig ${kubeconfigFile} lab
    ttl 30
  }
  cache 30
}
`;
}

/**
 * Without the right to lower a process's score for the kernel's out-of-memory killer, which containers
 * that make images lack; runc is Debian's.
 */
export function containerdConfig({ folder }: MachineFiles): string {
  const at = (name: string): string => JSON.stringify(join(folder, name));
  return `version = 3
root = ${at("containerd")}
state = ${at("containerd-state")}
[grpc]
address = ${at("containerd.sock")}
[plugins."io.containerd.internal.v1.opt"]
path = ${at("opt")}
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = ${at("cni")}
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
`;
}

/** Every pod has a link of its own to its machine, so that Services work between two pods of one. */
export function cniConfig({ podNetwork, folder }: MachineFiles): string {
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: "lab",
    plugins: [
      {
        type: "ptp",
        mtu: 1500,
        ipam: {
          type: "host-local",
          dataDir: join(folder, "addresses"),
          ranges: [[{ subnet: podNetwork }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    ],
  });
}

export function kubeletConfig({ name, ip, folder }: MachineFiles): string {
  return JSON.stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: ip,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    containerRuntimeEndpoint: `unix://${join(folder, "containerd.sock")}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${CGROUP}/${name}`,
    // Machines that still have the first version of control groups are machines, too.
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: ["pods"],
    clusterDNS: [LAB_IP],
    clusterDomain: DNS_DOMAIN,
    podLogsDir: join(folder, "pod-logs"),
    volumePluginDir: join(folder, "volume-plugins"),
    // The disk is shared with all else on this machine.
    evictionHard: {
      "nodefs.available": "0%",
      "imagefs.available": "0%",
      "nodefs.inodesFree": "0%",
    },
    imageGCHighThresholdPercent: 100,
  });
}

export function proxyConfig({ podNetwork, folder }: MachineFiles): string {
  return JSON.stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    clientConnection: { kubeconfig: join(folder, "proxy.kubeconfig") },
    clusterCIDR: podNetwork,
    // Limits of the kernel's table of connections belong to the machine's first namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  });
}
