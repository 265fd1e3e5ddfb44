# Combinations that cannot work say why; those that are about the model name it.
cp "$TESTDATA/digits_cnn.onnx" .
try() { mq quantize digits_cnn.onnx -o out.onnx "$@" || test $? = 2; }
try --io-type int8
try --io-type int8 --mode dynamic
try --io-type int8 --data random:2 --act-type uint8
try --io-type int8,uint8 --data random:2
try --io-type fp16 --data random:2
try --io-type uint8 --data random:2 --target tensorrt
try --io-type int16 --data random:2 --format qoperator
try --io-type inputs=int8 --data random:2
test ! -e out.onnx
