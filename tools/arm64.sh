#!/bin/sh
# Runs the arm64 binary of `make build ARCH=arm64`, under qemu where the machine is another one. `--check` does not run it
# but says what is missing for that.
set -eu

libraries=/usr/aarch64-linux-gnu
qemu=
case $(uname -m) in
aarch64 | arm64) ;;
*)
  qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
  missing=
  [ -n "$qemu" ] || missing="$missing qemu-user-static"
  [ -e $libraries/lib/libc.so.6 ] || missing="$missing libc6-arm64-cross"
  [ -e $libraries/lib/libgcc_s.so.1 ] || missing="$missing libgcc-s1-arm64-cross"
  if [ -n "$missing" ]; then
    echo "To run arm64 binaries on this machine, install (Debian and Ubuntu):" >&2
    echo "    sudo apt-get update && sudo apt-get install$missing" >&2
    exit 1
  fi
  ;;
esac

[ "${1-}" = --check ] || exec ${qemu:+"$qemu" -L $libraries} "$(dirname "$0")/../target/lambda/key-remediator/bootstrap"
