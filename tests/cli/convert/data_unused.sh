# What is said about data that nothing would use is refused.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
for x in "--samples 3" "--preprocess scale=1/16" --skip-bad "--verify none --batch 2" "--verify load --fill input=ones" "--max-macs 1M"; do
    # shellcheck disable=SC2086 # words
    mq convert m.onnx -q -o o.onnx $x && exit 9 || test $? = 2
done
mq convert m.onnx -q -o o.onnx --fill input=ones
mq convert m.onnx -q -f -o o.onnx --verify load --precision fp16 --data random:4 --samples 2
