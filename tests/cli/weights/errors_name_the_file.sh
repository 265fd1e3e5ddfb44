# A sentence about options alone names no file, one about an option and the model does, and only once.
cd "$TESTDATA"
try() { mq quantize digits_mlp.onnx -o "$OLDPWD/out.onnx" "$@" || test $? = 2; }
try --mode dynamic --type int4
try --target c --type int4
try --algorithm hqq --range 0..1
try --exclude-tensors 'fc9*'
try --tensor-type 'nope=int4'
mq quantize - -o "$OLDPWD/out.onnx" --op-types Conv <digits_mlp.onnx || test $? = 2
try --annotate github --mode dynamic --type int16
