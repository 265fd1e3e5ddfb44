#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Dependencies point one way: a room of src/ includes only itself and the rooms before it in this list; tools/ sees only
# the public headers and its own; libraries that belong to one room stay in it. Usage: layers.sh SOURCE_ROOT
set -eu
cd "$1"
rooms='base graph ops model data passes report exec hessian train quant prune convert distill api'
bad=0

complain() {
    echo "layers: $1"
    bad=1
}

below=''
for room in $rooms; do
    below="$below $room"
    for file in src/"$room"/*.[ch]; do
        for used in $(sed -n 's|^#include "\([a-z_]*\)/.*|\1|p' "$file"); do
            case " $below mq " in
            *" $used "*) ;;
            *) complain "$file includes $used/, which is not below src/$room" ;;
            esac
        done
    done
done
for dir in src/*/; do
    case " $rooms " in
    *" $(basename "$dir") "*) ;;
    *) complain "$dir is a room without a place in the order" ;;
    esac
done
for file in $(grep -lE '#include [<"](protobuf-c|onnx\.pb-c)' -r src include tools | grep -v '^src/model/'); do
    complain "$file sees protobuf-c: only src/model may"
done
for file in $(grep -lE '#include [<"]zlib' -r src include tools | grep -vE '^src/(model/|data/npz_)'); do
    complain "$file sees zlib: only src/model and src/data/npz_*.c may"
done
for file in $(grep -lE '#include [<"](jpeglib|png)' -r src include tools | grep -v '^src/data/image\.c$'); do
    complain "$file sees libjpeg or libpng: only src/data/image.c may"
done
for file in $(grep -lE '#include [<"](oneapi/)?dnnl' -r src include tools | grep -v '^src/exec/onednn/'); do
    complain "$file sees oneDNN: only src/exec/onednn may"
done
for file in tools/*.[ch] tools/cli/*.[ch]; do
    for used in $(sed -n 's|^#include "\([^"]*\)".*|\1|p' "$file"); do
        case $used in
        mq/* | cli/* | commands.h | topics.h) ;;
        *) complain "$file includes $used: tools see only public headers" ;;
        esac
    done
done
for file in include/mq/*.h; do
    if grep -q '#include "' "$file" && grep '#include "' "$file" | grep -qv '"mq/'; then
        complain "$file includes a private header"
    fi
done
exit $bad
