#!/usr/bin/env bash
# Makes a Debian machine ready for the tests, the demo or the benchmark, then builds: setup.sh [test|demo|bench].
# Run by `npm test`, `npm run demo` and `npm run bench`; does nothing, quickly, where all is in place. The demo
# gets what it uses and no more.
# As root it installs what is missing; as anyone else it prints the commands for root and stops.
# It takes package sources from the machine's own configuration only, starts no service, upgrades nothing.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$ROOT"

PURPOSE=${1:-test}

# For a token in software, a look at it, certificates, and pkcs11js, which is compiled when it is installed.
DEMO_PACKAGES=(softhsm2 opensc openssl g++ make python3)

PACKAGES=(
  softhsm2 opensc                                  # PKCS#11 tokens in software, and a second opinion on them
  swtpm tpm2-tools libtss2-tcti-swtpm0             # a TPM in software, and what empties its memory
  libtpm2-pkcs11-1 opencryptoki libnss3            # more PKCS#11 modules, for the matrix of modules
  libnss3-tools p11-kit p11-kit-modules            # certutil, which makes NSS databases; tokens over a socket
  lacme lacme-accountd libcrypt-openssl-rsa-perl   # the peers we stay compatible with
  openssh-server openssh-client gnupg openssl
  pinentry-curses                                  # asks for PINs on a terminal
  sq                                               # OpenPGP messages that are not made by GnuPG
  acme-tiny                                        # the small client that the benchmark compares ours with
  logrotate                                        # rotates the audit log
  systemd                                          # systemd-analyze, systemd-socket-activate
  mandoc shellcheck                                # lint the manual pages and the shell scripts
  pcscd vsmartcard-vpcd iproute2                   # a reader for the virtual PIV card, in namespaces of its own
  opensc-pkcs11 ykcs11 yubico-piv-tool             # the modules that speak to the card, and a tool
  debhelper dh-apparmor apparmor lintian           # build the Debian package, and judge it
  g++ make python3                                 # pkcs11js is compiled when it is installed
  gcc libc6-dev libp11-kit-dev                     # pkcs11.h, for the module that misbehaves on command
)

case $PURPOSE in
  demo) PACKAGES=("${DEMO_PACKAGES[@]}") ;;
  test | bench) ;;
  *)
    printf 'setup: error: the purpose is test, demo or bench\n' >&2
    exit 2
    ;;
esac

# Pebble before 2.10 lacks what the tests need, and Debian has 2.10 first in this suite.
PEBBLE_SUITE=forky
PEBBLE_MINIMUM=2.10
SOURCES_FILE=/etc/apt/sources.list.d/claviger-$PEBBLE_SUITE.sources
PREFERENCES_FILE=/etc/apt/preferences.d/claviger-$PEBBLE_SUITE
POLICY_FILE=/usr/sbin/policy-rc.d
APT_UPDATE_TRIES=20
SETUP_LOCK_TIMEOUT_S=1200

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: error: %s\n' "$1" >&2
  if (($# > 1)); then printf 'setup: hint: %s\n' "$2" >&2; fi
  exit 1
}

# --- Node -----------------------------------------------------------------------------------------

check_node() {
  command -v node >/dev/null || fail 'node is not installed' 'Node 20.19 or later is needed'
  command -v npm >/dev/null || fail 'npm is not installed' 'it comes with Node, or as the Debian package npm'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "node $(node --version) is too old" 'Node 20.19 or later is needed'
}

node_prefix() { node -p 'require("node:path").resolve(process.execPath, "../..")'; }

# Debian packages Node's headers apart from Node; other distributions of Node bring them along.
add_node_headers() {
  [[ -e $(node_prefix)/include/node/node.h ]] && return
  if dpkg-query -S "$(node -p process.execPath)" 2>/dev/null | grep -q '^nodejs:' &&
    apt-cache show libnode-dev >/dev/null 2>&1; then
    PACKAGES+=(libnode-dev)
  fi
}

# --- Debian packages ------------------------------------------------------------------------------

missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${PACKAGES[@]}" 2>/dev/null || true)
  for package in "${PACKAGES[@]}"; do
    grep -qx "ii $package" <<<"$installed" || printf '%s\n' "$package"
  done
}

pebble_is_installed() {
  local version
  version=$(dpkg-query -W -f '${Version}' pebble 2>/dev/null) || return 1
  [[ -n $version ]] && dpkg --compare-versions "$version" ge "$PEBBLE_MINIMUM"
}

# True where the machine's own sources, as they are, offer a Pebble that is new enough.
pebble_is_offered() {
  local version
  version=$(apt-cache policy pebble 2>/dev/null | sed -n 's/^ *Candidate: *//p')
  [[ -n $version && $version != '(none)' ]] && dpkg --compare-versions "$version" ge "$PEBBLE_MINIMUM"
}

# Prints the first stanza of the machine's sources that carries this release (not its security or
# update suites alone), with the suite replaced: same mirror, same key, no host named here.
pebble_sources() {
  local codename file
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  [[ -n $codename ]] || return 1
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file && $file != "$SOURCES_FILE" ]] || continue
    awk -v RS= -v codename="$codename" -v suite="$PEBBLE_SUITE" '
      {
        found = 0; text = ""; skip = 0
        count = split($0, lines, "\n")
        for (i = 1; i <= count; i++) {
          line = lines[i]
          if (line ~ /^#/) continue
          # A field goes on in lines that begin with a blank.
          if (line ~ /^[ \t]/) { if (!skip) text = text line "\n"; continue }
          skip = 0
          if (tolower(line) ~ /^enabled:[ \t]*no/) { found = 0; break }
          if (tolower(line) ~ /^suites:/) {
            words = split(substr(line, 8), suites, /[ \t]+/)
            for (w = 1; w <= words; w++) if (suites[w] == codename || suites[w] == "stable") found = 1
            line = "Suites: " suite; skip = 1
          }
          if (tolower(line) ~ /^components:/) { line = "Components: main"; skip = 1 }
          text = text line "\n"
        }
        if (found) { printf "%s", text; exit }
      }' "$file" | grep . && return 0
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -e $file ]] || continue
    # One-line form: deb [options] URI suite components; the options become fields.
    sed -nE "s/^deb +(\[([^]]*)\] +)?([^ ]+) +($codename|stable) .*/\2|\3/p" "$file" | head -n 1 |
      while IFS='|' read -r options uri; do
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$PEBBLE_SUITE"
        grep -oE 'signed-by=[^ ]+' <<<"$options" | sed 's/^signed-by=/Signed-By: /' || true
      done | grep . && return 0
  done
  return 1
}

pebble_preferences() {
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 1\n' "$PEBBLE_SUITE"
}

print_commands() {
  say 'these are missing, and only root can install them; as root, run:'
  printf '\n'
  if ((need_pebble)) && ! pebble_is_offered; then
    printf "cat > %s <<'END'\n%s\nEND\n" "$SOURCES_FILE" "$sources"
    printf "cat > %s <<'END'\n%s\nEND\n" "$PREFERENCES_FILE" "$(pebble_preferences)"
  fi
  printf 'apt-get update\n'
  if ((${#missing[@]})); then
    printf 'apt-get install -y --no-install-recommends %s\n' "${missing[*]}"
  fi
  if ((need_pebble)); then
    printf 'apt-get install -y --no-install-recommends %s\n' "$(pebble_target)"
  fi
  printf '\n'
}

pebble_target() { if pebble_is_offered; then printf pebble; else printf 'pebble/%s' "$PEBBLE_SUITE"; fi; }

APT_LOG=''

# Runs apt-get quietly; its output is in $APT_LOG afterwards.
apt() {
  APT_LOG=$(DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" 2>&1 </dev/null 9<&-)
}

apt_or_fail() {
  apt "$@" && return
  printf '%s\n' "$APT_LOG" >&2
  fail "apt-get $1 failed"
}

# Another apt may hold the lists; apt waits for dpkg's lock by itself, but not for that one.
apt_update() {
  local try
  for ((try = 1; try < APT_UPDATE_TRIES; try++)); do
    apt update && return
    grep -q 'Could not get lock' <<<"$APT_LOG" || break
    sleep 3
  done
  apt_or_fail update
}

# A package's service must not start because a test wants its binary: Debian asks this file first.
forbid_services() {
  if [[ ! -e $POLICY_FILE ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$POLICY_FILE"
    chmod 0755 "$POLICY_FILE"
    trap 'rm -f -- "$POLICY_FILE"' EXIT
  fi
}

allow_services() {
  # Our own file goes away at exit by the trap; a file that was there stays as it was.
  [[ -d /run/systemd/system ]] || return 0
  if printf '%s\n' "${missing[@]}" | grep -qx openssh-server; then
    # Installed for the tests alone: it must not open port 22 at the next boot either.
    systemctl disable --quiet ssh.service ssh.socket 2>/dev/null || true
  fi
}

install_packages() {
  local missing need_pebble=0 sources=''
  add_node_headers
  mapfile -t missing < <(missing_packages)
  pebble_is_installed || need_pebble=1
  if ((${#missing[@]} == 0 && need_pebble == 0)); then return; fi

  command -v apt-get >/dev/null ||
    fail 'this machine has no apt-get' "the tests are set up for Debian; missing: ${missing[*]} pebble >= $PEBBLE_MINIMUM"
  if ((need_pebble)) && ! pebble_is_offered; then
    sources=$(pebble_sources) ||
      fail "no package source of this Debian release found to derive suite $PEBBLE_SUITE from" \
        "install pebble >= $PEBBLE_MINIMUM by hand"
  fi
  if ((EUID != 0)); then
    print_commands
    exit 1
  fi

  forbid_services
  if [[ -n $sources ]]; then
    say "adding suite $PEBBLE_SUITE (pinned to priority 1, so nothing else comes from it)"
    pebble_preferences >"$PREFERENCES_FILE"
    printf '%s\n' "$sources" >"$SOURCES_FILE"
  fi
  say 'reading the package lists'
  apt_update
  if ((${#missing[@]})); then
    say "installing ${missing[*]}"
    apt_or_fail install --no-install-recommends "${missing[@]}"
  fi
  if ((need_pebble)); then
    say "installing $(pebble_target)"
    apt_or_fail install --no-install-recommends "$(pebble_target)"
  fi
  allow_services
  print_what_stays
}

# What was installed is not removed in the end: somebody may have come to need it.
print_what_stays() {
  local names=("${missing[@]}")
  if ((need_pebble)); then names+=(pebble); fi
  say "these packages stay installed: ${names[*]}"
  say "to remove them: apt-get purge --autoremove ${names[*]}"
  if [[ -n $sources ]]; then
    say "the added suite stays too: rm $SOURCES_FILE $PREFERENCES_FILE"
  fi
}

# --- npm packages and build -----------------------------------------------------------------------

install_modules() {
  local prefix
  if [[ -e node_modules/.package-lock.json && ! package-lock.json -nt node_modules/.package-lock.json &&
    -e node_modules/pkcs11js/build/Release/pkcs11.node ]]; then return; fi
  say 'installing the npm packages of package-lock.json'
  prefix=$(node_prefix)
  # With the headers of this very Node at hand, node-gyp has nothing to download.
  if [[ -e $prefix/include/node/node.h ]]; then export npm_config_nodedir=$prefix; fi
  npm ci --no-progress --loglevel=error >/dev/null </dev/null 9<&- || fail 'npm ci failed'
}

# The stamp is written after a build without errors only, with the time the build began.
build() {
  local stamp=dist/.built
  if [[ -e $stamp && -z $(find build src test package.json tsconfig.json node_modules/.package-lock.json \
    -newer "$stamp" -print -quit) ]]; then return; fi
  say 'building'
  mkdir -p dist
  rm -f -- "$stamp"
  touch dist/.build-began
  npm run --silent build </dev/null 9<&- || fail 'the build failed'
  mv -- dist/.build-began "$stamp"
}

# One set-up at a time in one checkout. The folder itself is the lock, so nothing is left behind.
exec 9<"$ROOT/test"
flock -w "$SETUP_LOCK_TIMEOUT_S" 9 || fail 'another set-up of this checkout does not end'
check_node
install_packages
install_modules
build
