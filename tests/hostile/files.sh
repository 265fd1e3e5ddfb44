#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
# Inputs that are no files or not the right ones, outputs that cannot be written, external data that lie.
. "$(dirname "$0")/lib.sh"
model=$TESTDATA/digits_mlp.onnx

every_command() {
    run "inspect $1" "$2" "$MQ" inspect "$1"
    run "check $1" "$2" "$MQ" check "$1"
    run "quantize $1" "$2" "$MQ" quantize -f -o out.onnx "$1"
    run "convert $1" "$2" "$MQ" convert -f -o out.onnx "$1"
    run "merge $1" "$2" "$MQ" merge -f -o out.onnx "$model" "$1"
    run "diff $1" "$2" "$MQ" diff "$model" "$1"
    [[ ! -e out.onnx ]] || wrong "quantize, convert or merge $1: wrote something"
    run "split $1" "$2" "$MQ" split -f -o out.parts "$1"
    [[ -z $(ls -A out.parts 2>/dev/null) ]] || wrong "split $1: wrote something"
}

# ---- inputs
mkdir folder
: >empty.onnx
echo 'this is text' >text.onnx
mkfifo fifo.onnx
ln -s loop.onnx loop.onnx
head -c 300000 /dev/zero >zeros.onnx
head -c 300000 /dev/zero | tr '\0' '\012' >nested.onnx # 0x0a: a message in a message in ...
for name in folder empty.onnx text.onnx loop.onnx zeros.onnx nested.onnx missing.onnx; do
    every_command $name 3
done
{ cat "$model" >fifo.onnx & } 2>/dev/null
run 'a named pipe' 0 "$MQ" inspect fifo.onnx
run 'a pipe' 0 bash -c "cat '$model' | '$MQ' check -"
run 'a pipe that ends early' '1 3' bash -c "head -c 1000 '$model' | '$MQ' check -"
run 'an empty pipe' 3 bash -c "'$MQ' check - </dev/null"
run 'a closed standard input' '3 5' bash -c "'$MQ' check - <&-"

# ---- gzip
gzip -c "$model" >ok.onnx.gz
run 'gzip' 0 "$MQ" check ok.onnx.gz
size=$(stat -c %s ok.onnx.gz)
for ((n = 0; n < 60; n++)); do
    head -c $((size * n / 60)) ok.onnx.gz >cut.onnx.gz
    run "gzip cut at $n/60" 3 "$MQ" check cut.onnx.gz
    cp ok.onnx.gz flip.onnx.gz
    printf '\x55' | dd of=flip.onnx.gz bs=1 seek=$((size * n / 60)) conv=notrunc 2>/dev/null
    run "gzip changed at $n/60" '0 3' "$MQ" check flip.onnx.gz
done
{ cat ok.onnx.gz; echo rubbish; } >tail.onnx.gz
run 'gzip with a tail' 3 "$MQ" check tail.onnx.gz
# 1 GB of zeros from 1 MB: unpacked to a temporary file, which may not become larger than the disk (here: 64 MB)
head -c 1073741824 /dev/zero | gzip -1 >bomb.onnx.gz
run 'gzip bomb' 5 bash -c "ulimit -f 65536; exec '$MQ' check bomb.onnx.gz"
says 'File too large'

# ---- external data
external() { # NAME LOCATION: a model whose weight lies there
    mkdir -p "ext/$1"
    "$TOOLS/text_model" "ir_version:10 opset_import{version:17} graph{name:'g' input{name:'x' type{tensor_type{elem_type:1
        shape{dim{dim_value:1} dim{dim_value:64}}}}} output{name:'y' type{tensor_type{elem_type:1 shape{dim{dim_value:1} dim{dim_value:64}}}}}
        node{op_type:'MatMul' input:'x' input:'w' output:'y'} initializer{name:'w' data_type:1 dims:64 dims:64 data_location:1
        external_data{key:'location' value:'$2'} ${3-}}}" >"ext/$1/model.onnx"
}
refused() { # NAME TEXT: check has findings, quantize refuses, inspect goes on; each says why
    run "inspect $1" 0 "$MQ" inspect "ext/$1/model.onnx"
    run "inspect statistics $1" 0 "$MQ" inspect --tensors '*' "ext/$1/model.onnx"
    run "check $1" 1 "$MQ" check "ext/$1/model.onnx"
    cat .out >>.err
    says "$2"
    for command in quantize convert; do
        run "$command $1" 3 "$MQ" $command -o "ext/$1/out.onnx" "ext/$1/model.onnx"
        says "$2"
        [[ ! -e ext/$1/out.onnx ]] || wrong "$command $1: wrote something"
    done
    run "split $1" 3 "$MQ" split -o "ext/$1/out" "ext/$1/model.onnx"
    says "$2"
    [[ -z $(ls -A "ext/$1/out" 2>/dev/null) ]] || wrong "split $1: wrote something"
}
mkdir ext
head -c 16384 /dev/zero | tr '\0' '\101' >ext/outside.bin
external missing w.bin
refused missing missing
external up ../outside.bin
refused up outside
external up_inside a/../../outside.bin
refused up_inside outside
external absolute "$PWD/ext/outside.bin"
refused absolute outside
external link w.bin
ln -s ../outside.bin ext/link/w.bin
refused link link
external link_folder sub/outside.bin
ln -s .. ext/link_folder/sub
refused link_folder link
external link_loop w.bin
ln -s w.bin ext/link_loop/w.bin
refused link_loop w.bin
external folder w.bin
mkdir ext/folder/w.bin
refused folder regular
external fifo w.bin
mkfifo ext/fifo/w.bin
refused fifo regular
external device w.bin
ln -s /dev/zero ext/device/w.bin
refused device regular
external short w.bin
head -c 16383 ext/outside.bin >ext/short/w.bin
refused short w.bin
external offset w.bin "external_data{key:'offset' value:'16384'}"
cp ext/outside.bin ext/offset/w.bin
refused offset w.bin
external overflow w.bin "external_data{key:'offset' value:'9223372036854775807'} external_data{key:'length' value:'16384'}"
cp ext/outside.bin ext/overflow/w.bin
refused overflow w.bin
external itself model.onnx # the model as its own data: legal, and too short here
refused itself model.onnx
external good w.bin
cp ext/outside.bin ext/good/w.bin
run 'good external data' 0 "$MQ" quantize -o ext/good/out.onnx ext/good/model.onnx
run 'output over its own external data' '2 3 5' "$MQ" quantize -o ext/good/w.bin ext/good/model.onnx
cmp -s ext/outside.bin ext/good/w.bin || wrong 'an input was overwritten'

# ---- outputs
run 'output is a folder' '2 5' "$MQ" quantize -f -o folder "$model"
run 'output in no folder' 5 "$MQ" quantize -o nowhere/out.onnx "$model"
run 'output in a file' 5 "$MQ" quantize -o empty.onnx/out.onnx "$model"
run 'output name too long' 5 "$MQ" quantize -o "$(printf 'n%.0s' {1..300})" "$model"
run 'output to /dev/full' 5 "$MQ" quantize -f -o /dev/full "$model"
run 'output to /dev/null' 0 "$MQ" quantize -f -o /dev/null "$model"
run 'report to /dev/full' 5 "$MQ" inspect --report json:/dev/full "$model"
run 'standard output is full' 5 bash -c "'$MQ' inspect '$model' >/dev/full"
run 'a model to a full standard output' 5 bash -c "'$MQ' quantize -o - '$model' >/dev/full"
run 'a closed standard output' '0 5' bash -c "'$MQ' inspect '$model' >&-"
run 'no room for temporary files' '3 5' env TMPDIR=/nonexistent "$MQ" check ok.onnx.gz
mkdir readonly
chmod 555 readonly
if [[ $(id -u) == 0 ]]; then
    echo 'read-only folder: not tried as root'
else
    run 'a read-only folder' 5 "$MQ" quantize -o readonly/out.onnx "$model"
fi

# ---- pipes: mq dies of the signal, quietly
"$TOOLS/make_models" . || exit 2
for command in 'inspect --nodes=* chain_reversed.onnx' 'inspect --json --nodes=* chain_reversed.onnx' 'check same_nodes.onnx'; do
    cases=$((cases + 1))
    # shellcheck disable=SC2086 # words
    bash -c '"$@" 2>.err | head -1 >/dev/null; exit ${PIPESTATUS[0]}' - "$MQ" $command
    status=$?
    [[ $status == 141 ]] || wrong "'mq $command | head -1' ended with $status"
    [[ -s .err ]] && wrong "'mq $command | head -1' was not quiet"
done
finish
