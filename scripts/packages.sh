#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Installs the Debian packages that mq needs, if any is missing. Usage: packages.sh build|test
# As root or with sudo that asks nothing; otherwise it prints the command and fails.
set -eu

build='gcc meson ninja-build pkg-config protobuf-c-compiler protobuf-compiler libprotobuf-c-dev zlib1g-dev libjansson-dev
    nettle-dev libxxhash-dev libjpeg62-turbo-dev libpng-dev libdnnl-dev scdoc'
test="$build libcmocka-dev clang libclang-rt-14-dev libomp-14-dev python3-venv make man-db git ca-certificates parallel"

case ${1:-} in
build) wanted=$build ;;
test) wanted=$test ;;
*)
    echo 'usage: packages.sh build|test' >&2
    exit 2
    ;;
esac

missing=''
for package in $wanted; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

echo "packages.sh: installing$missing"
if [ "$(id -u)" = 0 ]; then
    root=''
elif sudo -n true 2>/dev/null; then
    root='sudo'
else
    echo "packages.sh: not root, and no sudo without a password. Please run:" >&2
    echo "    apt-get update && apt-get install -y$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086
$root apt-get install -y -qq --no-install-recommends $missing >/dev/null
