# As few parts as a bound on files takes, and never above it.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o parts --max-size 24K
for f in parts/*.onnx; do
    test "$(stat -c %s "$f")" -le 24576
done
mq check parts/m.parts.json --against m.onnx --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 40
# a node that is larger is named
mq split m.onnx -q -o parts --max-size 1K || test $? = 4
# a number of parts that misses the bound: exit 1, nothing is written
mq split m.onnx -q -o other --parts 2 --max-size 4K || test $? = 1
ls other
