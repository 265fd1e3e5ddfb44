#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Installs a build into an empty folder and looks for everything that belongs there. Usage: install.sh BUILD TARGET
set -eu
build=$1
target=$2
rm -rf "$target"
meson install -C "$build" --no-rebuild --quiet --destdir "$target"
cd "$target"
bad=0
# lib, or lib/ARCHITECTURE where meson knows Debian's name for it
lib=$(cd usr/local && dirname "$(find lib -name libmq.a)")

for pattern in bin/mq bin/mq-quantize bin/mq-inspect bin/mq-check "$lib/libmq.so" "$lib/libmq.a" include/mq/mq.h \
    include/mq/model.h include/mq/quantize.h "$lib/pkgconfig/mq.pc" share/man/man1/mq.1 share/man/man1/mq-quantize.1 \
    share/man/man1/mq-inspect.1 share/man/man1/mq-check.1 share/bash-completion/completions/mq share/zsh/site-functions/_mq \
    share/fish/vendor_completions.d/mq.fish; do
    # shellcheck disable=SC2086
    if ! ls usr/local/$pattern >/dev/null 2>&1; then
        echo "install: $pattern is missing"
        bad=1
    fi
done

for program in mq mq-quantize mq-inspect mq-check; do
    ./usr/local/bin/$program --version >/dev/null || bad=1
done
strip -o mq.stripped usr/local/bin/mq
size=$(stat -c %s mq.stripped)
echo "stripped binary: $size bytes"
if [ "$size" -gt 4500000 ]; then # kernels stand in it for three instruction sets
    echo 'install: the stripped binary is over 4.5 MB'
    bad=1
fi
exit $bad
