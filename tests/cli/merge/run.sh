# Run against the models one after another; everything gets its prefix.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --at relu2_out
mq merge m.1of2.onnx m.2of2.onnx --prefix a/,b/ -q -o w.onnx --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 \
    --min-sqnr 100 --report json:r.json
grep -c '"mode": "run"' r.json
mq check w.onnx
mq run w.onnx -q -o out.npz
