# Each large tensor in a file of its own, all of them in the depfile and in the report.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o q.onnx --external-data per-tensor --depfile q.d --report q.json
ls
for file in q.onnx.*.data; do
    grep -qF "$file" q.d
    grep -qF "\"$file\"" q.json
done
mq check -q q.onnx
