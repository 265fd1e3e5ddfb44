# Exit 1, nothing written, the reports are.
cp "$TESTDATA/digits_mlp.onnx" .
code=0
mq quantize digits_mlp.onnx -q -o out.onnx --max-size 1K --report r.md --report r.xml || code=$?
test $code = 1
test "$(ls)" = "digits_mlp.onnx
r.md
r.xml"
grep -q '<failure' r.xml
