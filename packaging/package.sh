#!/usr/bin/env bash
# Builds the Debian package, claviger_VERSION_ARCH.deb, from this tree: `npm run package -- [--carry-node] [--no-build] [--output DIR]`.
#
# For Debian 13 the package depends on Debian's Node. For Debian 12, whose Node is too old, --carry-node puts
# the runtime into the package: the one this script runs with. Built twice from one commit, both are equal byte by
# byte: every time stamp is the commit's.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
PACKAGING=$ROOT/packaging
PREFIX=usr/lib/claviger

say() { printf 'package: %s\n' "$*"; }
fail() {
  printf 'package: error: %s\n' "$1" >&2
  exit "${2:-1}"
}

CARRY_NODE=no
BUILD=yes
OUTPUT=$ROOT/dist/package
while (($# > 0)); do
  case $1 in
    --carry-node) CARRY_NODE=yes ;;
    --no-build) BUILD=no ;; # the programs in dist/ are those of this tree
    --output)
      (($# > 1)) || fail '--output needs a directory' 2
      OUTPUT=$2
      shift
      ;;
    *) fail "unknown argument: $1 (--carry-node, --no-build, --output DIR)" 2 ;;
  esac
  shift
done

for tool in dpkg-buildpackage dh dh_apparmor node npm; do
  command -v "$tool" >/dev/null || fail "$tool is not installed: debhelper, dh-apparmor, dpkg-dev and Node are needed"
done

STAGE=$(mktemp -d)
trap 'rm -rf -- "$STAGE"' EXIT
SOURCE=$STAGE/claviger
TREE=$SOURCE/root

VERSION=$(node -p 'require(process.argv[1]).version' "$ROOT/package.json")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# --- What the programs need to run -------------------------------------------------------------------

stage_programs() {
  local lib=$TREE/$PREFIX name
  mkdir -p "$lib"
  cp -a "$ROOT/dist/bin" "$STAGE/bin"
  mkdir -p "$lib/dist"
  mv "$STAGE/bin" "$lib/dist/bin"
  find "$lib" -name '*.map' -delete
  cp -a "$ROOT/native-config" "$lib/"
  # What npm would install: the dependencies of package-lock.json, and nothing for development.
  cp "$ROOT/package.json" "$ROOT/package-lock.json" "$lib/"
  (cd "$lib" && npm ci --omit=dev --omit=peer --no-audit --no-fund >/dev/null)
  rm "$lib/package-lock.json" "$lib/node_modules/.package-lock.json"
  prune_modules "$lib/node_modules"
  mkdir -p "$TREE/usr/bin"
  for name in clavigerd claviger; do
    stage_program "$name"
  done
}

prune_modules() {
  local modules=$1
  # Bundled, or read by people alone.
  rm -rf -- "$modules"/{commander,smol-toml,valibot,typescript,.bin} "$modules"/openpgp/{lightweight,dist/{lightweight,types,openpgp.*}} \
    "$modules/graphene-pk11/build/types" "$modules"/tslib/*.html
  find "$modules/pkcs11js" -mindepth 1 -maxdepth 1 ! -name build ! -name index.js ! -name package.json ! -name LICENSE \
    -exec rm -rf {} +
  mv "$modules/pkcs11js/build/Release/pkcs11.node" "$STAGE/pkcs11.node"
  rm -rf -- "$modules/pkcs11js/build"
  install -D -m 0644 "$STAGE/pkcs11.node" "$modules/pkcs11js/build/Release/pkcs11.node"
  find "$modules" -type f \( -name '*.md' -o -name '*.ts' -o -name '*.map' -o -name '*.cc' -o -name '*.cpp' \
    -o -name '*.h' -o -name '*.gyp' -o -name '*.min.*' \) ! -iname 'licen[cs]e*' -delete
}

stage_program() {
  local name=$1 program=/$PREFIX/dist/bin/cli/$1.js
  chmod 0755 "$TREE$program"
  if [[ $CARRY_NODE == yes ]]; then
    printf '#!/bin/sh\nexec /%s/bin/node %s "$@"\n' "$PREFIX" "$program" >"$TREE/usr/bin/$name"
    chmod 0755 "$TREE/usr/bin/$name"
  else
    sed -i '1s|.*|#!/usr/bin/node|' "$TREE$program"
    ln -s "..${program#/usr}" "$TREE/usr/bin/$name"
  fi
}

# --- What lies around them ---------------------------------------------------------------------------

stage_system() {
  local doc=$TREE/usr/share/doc/claviger
  mkdir -p "$TREE/usr/lib/systemd/system-preset"
  install -m 0644 "$PACKAGING/90-claviger.preset" "$TREE/usr/lib/systemd/system-preset/"
  install -D -m 0644 -t "$doc/examples/drop-ins" "$ROOT"/systemd/drop-ins/*
  install -D -m 0644 "$ROOT/docs/examples/clavigerd.toml" "$doc/examples/clavigerd.toml"
  install -D -m 0644 "$PACKAGING/apparmor/clavigerd" "$TREE/etc/apparmor.d/clavigerd"
  install -D -m 0644 "$PACKAGING/apparmor/claviger" "$TREE/etc/apparmor.d/claviger"
  install -D -m 0644 "$PACKAGING/polkit/50-claviger.rules" "$TREE/usr/share/polkit-1/rules.d/50-claviger.rules"
  install -D -m 0644 "$ROOT/README.md" "$doc/README.md"
  install -m 0644 "$ROOT/SECURITY.md" "$doc/"
  install -D -m 0644 -t "$doc/guides" "$ROOT"/docs/guides/*.md
}

# What the package carries, as CycloneDX; without what npm makes anew in each run.
stage_sbom() {
  local file=$TREE/usr/share/doc/claviger/sbom.cdx.json
  (cd "$ROOT" && npm sbom --omit=dev --omit=peer --package-lock-only --sbom-format cyclonedx) |
    node -e '
      const sbom = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
      delete sbom.serialNumber;
      sbom.metadata.timestamp = new Date(Number(process.argv[1]) * 1000).toISOString();
      sbom.metadata.component.name = "claviger";
      process.stdout.write(JSON.stringify(sbom, null, 2) + "\n");
    ' "$SOURCE_DATE_EPOCH" >"$file"
}

stage_runtime() {
  [[ $CARRY_NODE == yes ]] || return 0
  install -D -m 0755 "$(readlink -f -- "$(command -v node)")" "$TREE/$PREFIX/bin/node"
}

# --- The package -------------------------------------------------------------------------------------

# debhelper reads what it installs with scripts of its own from debian/.
stage_debian() {
  local unit
  cp -a "$ROOT/debian" "$SOURCE/debian"
  cp "$ROOT/systemd/sysusers.d/claviger.conf" "$SOURCE/debian/claviger.sysusers"
  cp "$ROOT/systemd/tmpfiles.d/claviger.conf" "$SOURCE/debian/claviger.tmpfiles"
  for unit in "$ROOT"/systemd/*.{service,socket,timer}; do
    cp "$unit" "$SOURCE/debian/claviger.$(basename -- "$unit")"
  done
  cp "$ROOT/docs/examples/logrotate.d-clavigerd" "$SOURCE/debian/claviger.logrotate"
  cp "$ROOT/CHANGELOG.md" "$SOURCE/CHANGELOG.md"
  cp -r "$ROOT/docs/man" "$SOURCE/man"
  (cd "$SOURCE" && printf '%s\n' man/*) >"$SOURCE/debian/claviger.manpages"
  {
    printf 'claviger (%s) unstable; urgency=medium\n\n' "$DEBIAN_VERSION"
    printf '  * New release; changelog.gz says what has changed.\n\n'
    printf ' -- The Claviger developers <claviger@example.org>  %s\n' "$(date -uR -d "@$SOURCE_DATE_EPOCH")"
  } >"$SOURCE/debian/changelog"
}

build_package() {
  local log=$STAGE/build.log
  (cd "$SOURCE" && CLAVIGER_VERSION=$DEBIAN_VERSION CLAVIGER_RUNTIME=$RUNTIME \
    dpkg-buildpackage -b -us -uc -ui -d >"$log" 2>&1) || {
    tail -n 30 -- "$log" >&2
    fail 'dpkg-buildpackage failed'
  }
  mkdir -p "$OUTPUT"
  cp "$STAGE"/claviger_*.deb "$OUTPUT/"
}

DEBIAN_VERSION=$VERSION-1
RUNTIME='nodejs (>= 20.19)'
if [[ $CARRY_NODE == yes ]]; then
  DEBIAN_VERSION=$VERSION-1~deb12
  RUNTIME=
fi

umask 022
mkdir -p "$SOURCE"
if [[ $BUILD == yes ]]; then
  say 'building the programs'
  (cd "$ROOT" && npx tsc -p tsconfig.json && node dist/build/bundle.js --release)
fi
stage_programs
stage_system
stage_sbom
stage_runtime
stage_debian
say 'building the package'
build_package
say "$OUTPUT/$(cd "$STAGE" && printf '%s' claviger_*.deb)"
