# A target refuses what its runtime does not take.
try() { mq quantize missing.onnx -o out.onnx "$@" || test $? = 2; }
try --target tensorrt --asymmetric
try --target tensorrt --type uint8
try --target tensorrt --tensor-type 'conv*=int4'
try --target portable --mode dynamic
try --target c --type int4
try --target c --format nbits
