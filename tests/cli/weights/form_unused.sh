# A form that was asked for and fits nothing is said; not where it fits something.
cd "$TESTDATA"
q() { mq quantize digits_cnn.onnx --dry-run "$@" >/dev/null; }
q --mode dynamic --type uint8 --op-types Conv
q --mode dynamic --type uint8 --op-types Conv --strict || test $? = 1
q --format nbits --op-types Conv
mq quantize digits_mlp.onnx --dry-run --format nbits >/dev/null
mq quantize digits_mlp.onnx --dry-run --mode dynamic --type uint8 >/dev/null
