#!/usr/bin/env bash
# Builds what scripts/k8s-lab runs: a whole Kubernetes from Go modules, by the ordinary go command, where no
# registry of images and no release can be reached. Takes half an hour on two cores, once: what is in
# FOLDER/bin is not built again.
#
#     scripts/k8s-lab/build.sh FOLDER          # FOLDER/bin is what is wanted; FOLDER/go holds Go's caches
#     scripts/k8s-lab/build.sh FOLDER judge    # this alone: see judge.ts
#
# Not built, because Debian has them: runc, the plugins of CNI, iptables.
set -euo pipefail
KUBERNETES=${KUBERNETES:-v1.36.3}
CONTAINERD=${CONTAINERD:-v2.2.9}
COREDNS=${COREDNS:-v1.14.7}
GATEWAY_API=${GATEWAY_API:-v1.5.1}
CERT_MANAGER=${CERT_MANAGER:-v1.20.3}
PROMETHEUS_OPERATOR=${PROMETHEUS_OPERATOR:-v0.92.1}
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1/bin" "$1/go"
folder=$(readlink -f "$1")
export GOCACHE="$folder/go/cache" GOMODCACHE="$folder/go/modules" GOFLAGS="-trimpath -mod=mod" GOTOOLCHAIN=local
export CGO_ENABLED=0
PATH="$PATH:/usr/local/go/bin"

# A module of ours that needs what is built: go install refuses modules with replacements, and Kubernetes' are
# paths inside its repository; a released version of the same stands in for each.
module() {
  mkdir -p "$folder/go/$1"
  cd "$folder/go/$1"
  [[ -f go.mod ]] || go mod init "lab.invalid/$1" 2>/dev/null
}

# build PACKAGE PROGRAM [FLAGS OF THE LINKER]
build() {
  [[ ! -x $folder/bin/$2 ]] || return 0
  go build -p "${GO_JOBS:-2}" -ldflags="-s -w${3:+ $3}" -o "$folder/bin/$2" "$1"
  echo "built $2"
}

module pause
cp "$here/go/pause.go" main.go
build . pause

module kubernetes
released="v0.${KUBERNETES#v1.}"
mod=$(go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
sed -n 's/^\t\([^ ]*\) v0\.0\.0\( .*\)\?$/\1/p' "$mod" | while read -r path; do
  go mod edit -replace "$path=$path@$released"
done
go mod edit -require "k8s.io/kubernetes@$KUBERNETES" -require "github.com/coredns/coredns@$COREDNS"
# What kube-apiserver was released with decides which etcd it is.
version="-X k8s.io/component-base/version.gitVersion=$KUBERNETES"
minor=${KUBERNETES#v1.}
version+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
mkdir -p coredns judge
cp "$here/go/coredns.go" coredns/main.go
cp "$here/go/judge.go" judge/main.go
build ./judge judge
[[ ${2:-} != judge ]] || exit 0
build go.etcd.io/etcd/server/v3 etcd
for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
  build "k8s.io/kubernetes/cmd/$program" "$program" "$version"
done
build ./coredns coredns

module containerd
go mod edit -require "github.com/containerd/containerd/v2@$CONTAINERD"
for program in containerd containerd-shim-runc-v2 ctr; do
  build "github.com/containerd/containerd/v2/cmd/$program" "$program"
done

# Kinds that the chart makes objects of where they are known; their controllers are not built.
mkdir -p "$folder/kinds"
kinds() {
  files=$(go mod download -json "$1@$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/$3
  shift 3
  for kind; do install -m 644 "$files/$kind.yaml" "$folder/kinds/"; done
}
kinds sigs.k8s.io/gateway-api "$GATEWAY_API" config/crd/standard gateway.networking.k8s.io_{gateways,tlsroutes}
kinds github.com/cert-manager/cert-manager "$CERT_MANAGER" deploy/crds cert-manager.io_{certificates,issuers}
kinds github.com/prometheus-operator/prometheus-operator "$PROMETHEUS_OPERATOR" example/prometheus-operator-crd \
  monitoring.coreos.com_{podmonitors,prometheusrules}

cd "$folder/go/kubernetes"
printf '%s\n' "kubernetes $KUBERNETES" "etcd $(go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3)" "coredns $COREDNS" \
  "$("$folder/bin/containerd" --version)" "$(runc --version | head -n 1)" "$(go version)" \
  "kinds of gateway-api $GATEWAY_API, cert-manager $CERT_MANAGER, prometheus-operator $PROMETHEUS_OPERATOR" \
  >"$folder/versions"
cat "$folder/versions"
