# Data files: their own sizes in the report, one that has the model's name, a report without reading back.
mq quantize "$TESTDATA/digits_cnn.onnx" -o a.onnx --external-data per-tensor --report json:a.json -q
for file in a.onnx.*.data; do
    grep -A1 "\"path\": \"$file\"" a.json | grep -q "\"bytes\": $(stat -c %s "$file")$"
done
mq quantize "$TESTDATA/digits_cnn.onnx" -o b.onnx --external-data b.onnx || test $? = 2
test ! -e b.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -o c.onnx --external-data c.bin --verify none --report c.json -q
grep -q '"after"' c.json
mq check -q c.onnx
