# Each bad value says what is allowed.
try() { mq quantize model.onnx -o out.onnx "$@" || test $? = 2; }
try --verify maybe
try --verify run
try --type int4
try --type int3
try --mode static
try --opset newest
try --max-size big
try --external-threshold -1
try --external-threshold=-1
try -j 0
try --per-channel=yes
try --no-nodes
try --op-types Conv,,Gemm
try --annotate gitlab
try -o
