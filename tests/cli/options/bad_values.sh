# Each bad value says what is allowed.
try() { mq quantize model.onnx -o out.onnx "$@" || test $? = 2; }
try --verify maybe
try --format qop
try --algorithm gptq2
try --type int3
try --mode statically
try --block-size 48
try --block-size 8
try --accuracy-level 5
try --range 1..0
try --range 0..inf
try --range stddev=0
try --range stddev=-1
try --target tflite
try --target onnx,x86
try --symmetric=yes
try --tensor-type conv1
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
try --min-sqnr high
try --verify load --val-data random:1
