# A list goes by its own name, not by the first part's: in what inspect says, in make rules, in the names of its parts.
mkdir a
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o a
mq inspect a/m.parts.json | sed -n '1p;$p'
mq quantize -q a/m.parts.json -o q.onnx --depfile q.d
cat q.d
mq split -q a/m.parts.json -o b --parts 3
ls b
