#!/usr/bin/env bash
# One machine of the lab: process 1 of its own namespaces of processes, mounts and names, in a network
# namespace that is made for it. What it starts ends with it, and its mounts go with it.
#
#     machine.sh NAME FOLDER       # FOLDER holds containerd.toml, kubelet.yaml, proxy.yaml, kubeconfigs
set -euo pipefail
name=$1
folder=$2
hostname "$name"
# What the machine's programs write outside of the folder, they write into memory.
for place in /run /var/lib /var/log; do
  mount -t tmpfs tmpfs "$place"
done
# As a machine without swap, with forwarding between its pods and the others.
sysctl -q -w net.ipv4.ip_forward=1
mkdir -p /var/lib/kubelet /run/lock "$folder/logs"
cd "$folder"

containerd --config "$folder/containerd.toml" >"$folder/logs/containerd" 2>&1 &
kubelet --config="$folder/kubelet.yaml" --kubeconfig="$folder/kubelet.kubeconfig" --hostname-override="$name" \
  --root-dir="$folder/kubelet" --node-ip="$NODE_IP" --v=2 >"$folder/logs/kubelet" 2>&1 &
kube-proxy --config="$folder/proxy.yaml" --hostname-override="$name" >"$folder/logs/kube-proxy" 2>&1 &
# Reaps what is left to it; a program that ends is seen by what does not happen then.
while :; do
  wait -n || true
  [[ -n $(jobs -r) ]] || exit 1
done
