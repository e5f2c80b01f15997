#!/usr/bin/env bash
# Makes local images under the names that deploy/Dockerfile builds on, where no registry of images can be
# reached: Debian's packages and the Node of an npm package, laid out like the real ones. What is then
# built is the shipped Dockerfile; what is not tested by it are the real bases.
#
#     scripts/image-standins.sh NODE_BINARY NPM_FOLDER
set -euo pipefail
node_binary=$(readlink -f "$1")
npm_folder=$(readlink -f "$2")
major=${NODE_MAJOR:-24}
suite=${DEBIAN_SUITE:-bookworm}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# mmdebstrap wants to be root or in a user namespace of its own; both give it the files as root's.
root_of() {
  mmdebstrap --quiet --variant=extract --include="$1" "$suite" "$scratch/$2.tar"
}

# The builder: a shell, coreutils, Node, npm with this machine's way to its registry.
root_of bash,dash,coreutils,libc6,libstdc++6,libgcc-s1,base-files,ca-certificates,libssl3 builder
container=$(buildah from scratch)
mount=$(buildah mount "$container")
tar xf "$scratch/builder.tar" -C "$mount"
mkdir -p "$mount/usr/local/bin" "$mount/usr/local/lib/node_modules" "$mount/etc/ssl/certs" "$mount/tmp" "$mount/root"
chmod 1777 "$mount/tmp"
ln -sf dash "$mount/bin/sh"
cp "$node_binary" "$mount/usr/local/bin/node"
cp -r "$npm_folder" "$mount/usr/local/lib/node_modules/npm"
for program in npm npx; do
  ln -s "../lib/node_modules/npm/bin/$program-cli.js" "$mount/usr/local/bin/$program"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$mount/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$mount/usr/local/etc"
{
  echo "cafile=/etc/ssl/certs/ca-certificates.crt"
  echo "registry=$(npm config get registry)"
} >"$mount/usr/local/etc/npmrc"
buildah config --workingdir / --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
buildah commit --quiet --rm "$container" "docker.io/library/node:$major-slim"

# The runtime: no shell, no root.
root_of libc6,libstdc++6,libgcc-s1,base-files,ca-certificates,netbase,tzdata,libssl3 runtime
container=$(buildah from scratch)
mount=$(buildah mount "$container")
tar xf "$scratch/runtime.tar" -C "$mount"
rm -rf "$mount"/usr/bin/* "$mount"/bin/* "$mount"/usr/sbin/* "$mount"/sbin/* "$mount"/usr/share/doc "$mount"/usr/share/man
mkdir -p "$mount/nodejs/bin" "$mount/home/nonroot" "$mount/tmp"
chmod 1777 "$mount/tmp"
echo 'root:x:0:0:root:/root:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$mount/etc/passwd"
echo 'root:x:0:
nonroot:x:65532:' >"$mount/etc/group"
chown 65532:65532 "$mount/home/nonroot"
cp "$node_binary" "$mount/nodejs/bin/node"
buildah config --workingdir /home/nonroot --user 65532 --entrypoint '["/nodejs/bin/node"]' "$container"
buildah commit --quiet --rm "$container" "gcr.io/distroless/nodejs$major-debian13:nonroot"
