# Options that exclude each other, or have no effect, are said so before the model is looked at.
try() { mq quantize missing.onnx -o out.onnx "$@" || test $? = 2; }
try --per-tensor --format nbits
try --block-size 64
try --block-size 64 --type int8 --format qdq
try --block-fallback skip
try --block-size 64 --type int4 --per-tensor
try --ends-type int4
try --accuracy-level 1
try --algorithm mse --range 0..1
try --mode dynamic --type int4
try --mode dynamic --format nbits
try --reduce-range --type int4
try --format nbits --type int16
try --format nbits --target onnx
