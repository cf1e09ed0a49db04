#!/usr/bin/env bash
# Builds the image of the Dockerfile and tries it, on a Debian machine without a container engine and without an image
# registry: as root, with Debian's buildah and a base image made here of Debian packages and this machine's Node.js.
#
#   scripts/container.sh          builds, starts, checks, and says what it saw
#
# Checked are: the build; that the user is not root; that it runs with a read-only root file system; /readyz; the health
# check; that promtool has nothing to object to in /metrics; that SIGTERM drains, with node as process 1.
# Installed on the machine are the packages buildah and debootstrap; everything else is in a folder that goes at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "this needs root, for debootstrap, buildah and chroot" >&2; exit 2; }

base=docker.io/library/$(awk '/^FROM/ {print $2; exit}' Dockerfile)
image=localhost/corral
work=$(mktemp -d)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs STORAGE_OPTS=
container='' nats='' corral=''

clean() {
  [ -z "$corral" ] || kill -KILL "$corral" 2>/dev/null || true
  [ -z "$nats" ] || kill -TERM "$nats" 2>/dev/null || true
  wait 2>/dev/null || true
  if [ -n "$container" ]; then
    buildah umount "$container" >/dev/null || true
    buildah rm "$container" >/dev/null || true
  fi
  rm -rf "$work"
}
trap clean EXIT

say() { echo "container: $*"; }
fail() {
  echo "container: FAILED: $*" >&2
  [ ! -f "$work/corral.log" ] || tail -n 20 "$work/corral.log" >&2
  exit 1
}

# --- tools ---------------------------------------------------------------------------------------------------------
packages=()
for tool in buildah debootstrap; do command -v "$tool" >/dev/null || packages+=("$tool"); done
if [ ${#packages[@]} -gt 0 ]; then
  say "installing ${packages[*]}"
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${packages[@]}"; } >"$work/apt.log" 2>&1 ||
    { cat "$work/apt.log" >&2; fail "the packages cannot be installed"; }
fi

# --- base ----------------------------------------------------------------------------------------------------------
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
  say "making $base of Debian $suite and Node.js $(node --version)"
  debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; fail "debootstrap"; }
  install -m 755 "$(readlink -f "$(command -v node)")" "$work/root/usr/bin/node"
  mkdir -p "$work/root/usr/lib/node_modules"
  cp -r "$(npm root --global 2>/dev/null)/npm" "$work/root/usr/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/bin/npm"
  chroot "$work/root" sh -c 'groupadd --gid 1000 node && useradd --create-home --uid 1000 --gid 1000 node'
  rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists"
  made=$(buildah from scratch)
  buildah copy -q "$made" "$work/root" / >/dev/null
  buildah commit -q "$made" "$base" >/dev/null
  buildah rm "$made" >/dev/null
  rm -rf "$work/root"
fi

# --- build ---------------------------------------------------------------------------------------------------------
# The settings of npm (a registry, an authority to trust) are there while it builds and are no part of any layer.
install -m 600 /dev/null "$work/npmrc"
[ ! -f "$HOME/.npmrc" ] || cat "$HOME/.npmrc" >"$work/npmrc"
volumes=(--volume "$work/npmrc:/root/.npmrc:ro")
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  echo 'cafile=/root/ca.pem' >>"$work/npmrc"
  volumes+=(--volume "$NODE_EXTRA_CA_CERTS:/root/ca.pem:ro")
fi
say "building $image"
buildah bud --format docker --pull-never "${volumes[@]}" --tag "$image" . >"$work/build.log" 2>&1 ||
  { tail -n 30 "$work/build.log" >&2; fail "the image does not build"; }

container=$(buildah from --pull-never "$image")
root=$(buildah mount "$container")
config() { buildah inspect --type image --format "$1" "$image"; }
user=$(config '{{.Docker.Config.User}}')
say "user $user, $(du -sm "$root" | cut -f1) MB unpacked"
case ${user%%:*} in '' | 0 | root) fail "the image runs as root" ;; esac

# --- start ---------------------------------------------------------------------------------------------------------
npm run --silent build
npm run --silent build:test
server=${NATS_SERVER:-$(node build/scripts/fetch-nats-server.js "$(. /etc/os-release && echo "$VERSION_CODENAME")")}
natsPort=$((20000 + RANDOM % 10000)) httpPort=$((30000 + RANDOM % 10000))
"$server" -a 127.0.0.1 -p "$natsPort" -js -sd "$work/nats" >"$work/nats.log" 2>&1 &
nats=$!

# What the image says is started, as an engine would: its own process and mount namespace, a read-only root.
entrypoint=$(buildah inspect --type image "$image" | node -e '
  const { Docker } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const quote = (text) => `\x27${text.replaceAll("\x27", `\x27\\\x27\x27`)}\x27`;
  const { Entrypoint, Cmd, Env, Healthcheck } = Docker.config;
  console.log([...Env, "NATS_URL=" + process.argv[1], "CORRAL_HTTP_PORT=" + process.argv[2],
    "CORRAL_CONFIG=/opt/corral/examples/demo/corral.yaml"].map(quote).join(" "));
  console.log([...Entrypoint, ...Cmd].map(quote).join(" "));
  console.log(Healthcheck.Test.slice(1).map(quote).join(" "));
' "nats://127.0.0.1:$natsPort" "$httpPort")
{ read -r environment; read -r command; read -r healthcheck; } <<<"$entrypoint"
as="${user%%:*}:${user##*:}"
unshare --mount --pid --fork --kill-child sh -c "
  mount --bind '$root' '$root'
  mount -t proc proc '$root/proc'
  mount --bind /dev '$root/dev'
  mount -o remount,bind,ro '$root'
  exec chroot --userspec=$as '$root' /usr/bin/env -i $environment $command
" >"$work/corral.log" 2>&1 &
corral=$!

answer() { curl -sS --max-time 3 -o "$work/answer" -w '%{http_code}' "http://127.0.0.1:$httpPort$1" 2>/dev/null || true; }
await() {
  for _ in $(seq 1 150); do
    [ "$(answer "$1")" != "$2" ] || return 0
    kill -0 "$corral" 2>/dev/null || fail "it ended"
    sleep 0.2
  done
  fail "$1 answers $(answer "$1"), not $2: $(cat "$work/answer" 2>/dev/null)"
}
await /livez 200
await /readyz 503
say "/readyz without the source stream: $(cat "$work/answer")"
node dist/main.js publish examples/demo/auth-ec2.ndjson.gz --subject 'auth.${event.type}' --stream AUTH --create \
  --server "nats://127.0.0.1:$natsPort"
await /readyz 200
say "/readyz: $(cat "$work/answer")"

inner=$(pgrep -P "$corral" | head -n 1)
uid=$(awk '/^Uid:/ {print $2}' "/proc/$inner/status")
[ "$uid" -ne 0 ] || fail "the process runs as root"
inside=$(awk '/^NSpid:/ {print $NF}' "/proc/$inner/status")
[ "$inside" -eq 1 ] || fail "node is process $inside, not 1"
! chroot --userspec="$as" "/proc/$inner/root" touch /opt/corral/file 2>/dev/null || fail "the root can be written to"
say "runs as user $uid, as process 1, on a read-only root"
eval "chroot --userspec=$as '$root' /usr/bin/env -i $environment $healthcheck" || fail "the health check fails"
say "the health check passes"

# --- metrics -------------------------------------------------------------------------------------------------------
promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
  (cd "$work" && apt-get -qq download prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb prometheus) ||
    fail "Debian's prometheus package cannot be fetched"
  promtool=$work/prometheus/usr/bin/promtool
fi
for _ in $(seq 1 100); do
  [ "$(answer /metrics)" = 200 ] || fail "/metrics answers $(answer /metrics)"
  ! grep -q '^corral_matches_total{rule="break-in"} 1$' "$work/answer" || break
  sleep 0.2
done
grep -q '^corral_matches_total{rule="break-in"} 1$' "$work/answer" || fail "the break-in was not found"
objections=$("$promtool" check metrics <"$work/answer" 2>&1) || fail "promtool: $objections"
[ -z "$objections" ] || fail "promtool: $objections"
say "promtool has nothing to object to in $(grep -c '^# TYPE' "$work/answer") metrics"

# --- stop ----------------------------------------------------------------------------------------------------------
kill -TERM "$inner"
status=0
wait "$corral" || status=$?
corral=''
grep -q '"msg":"drained"' "$work/corral.log" || fail "it did not drain"
[ "$status" -eq 0 ] || fail "it ended with $status after SIGTERM"
say "SIGTERM drained it, exit 0"
say "passed"
