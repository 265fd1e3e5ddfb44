#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# A full disk: a small tmpfs where mounting is allowed, and a limit on the size of files everywhere.
. "$(dirname "$0")/lib.sh"

mkdir work
"$TOOLS/make_models" . 16 || exit 2
echo old >work/out.onnx

# full WHERE PREFIX: each way of writing fails with exit 5, and the old output stays
full() {
    local where=$1 extra
    shift
    for extra in '' '--external-data none' '--external-data w.data' '--external-data per-tensor' '--sync' '--verify none'; do
        # shellcheck disable=SC2086 # words
        run "$where $extra" 5 "$@" "$MQ" quantize -f -o work/out.onnx $extra large.onnx
        says "cannot write"
        [[ $(cat work/out.onnx) == old ]] || wrong "$where $extra: the old output is gone"
        only work out.onnx
    done
    run "$where convert" 5 "$@" "$MQ" convert --opset latest --verify none -f -o work/out.onnx large.onnx
    says "cannot write"
    [[ $(cat work/out.onnx) == old ]] || wrong "$where convert: the old output is gone"
    only work out.onnx
    run "$where split" 5 "$@" "$MQ" split --verify none -o work large.onnx
    says "cannot write"
    only work out.onnx
    run "$where .gz" 5 "$@" "$MQ" quantize -f -o work/out.onnx.gz large.onnx
    only work out.onnx
    run "$where -o -" 5 "$@" bash -c "TMPDIR=work '$MQ' quantize -o - large.onnx >work/piped"
    rm -f work/piped
    only work out.onnx
}
full 'limited file size' bash -c 'ulimit -f 512; exec "$@"' -
mkdir -p disk
if mount -t tmpfs -o size=2m tmpfs disk 2>/dev/null; then
    mv work disk/work
    ln -s disk/work work
    full 'full disk' env TMPDIR="$PWD/disk"
    run 'a report on a full disk' 5 bash -c "head -c 4m /dev/zero >disk/fill; '$MQ' inspect large.onnx --report disk/report.json"
    umount disk
else
    echo 'full disk: mounting is not allowed here'
fi
finish
