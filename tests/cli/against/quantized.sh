# What mq quantize writes agrees with its original within a bound; a bound that is missed is exit 1.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
data=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 50)
mq quantize m.onnx -q -o q.onnx
mq check q.onnx --against m.onnx "${data[@]}" --min-sqnr 25 >out 2>/dev/null
grep -c '^ok    logits' out
tail -1 out
mq check q.onnx --against m.onnx "${data[@]}" >out 2>/dev/null || echo $?
grep -c '^FAIL  logits' out
mq check q.onnx --against m.onnx "${data[@]}" --atol 5 -q
