# A bound that nothing can hold is a mistake, "none" lifts it; a number beyond any file is no ratio.
for v in 0 0% 0.0 99999999999999999999 -1; do
    mq quantize model.onnx -o out.onnx --max-size "$v" || test $? = 2
done
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o out.onnx --max-size 1e2 || test $? = 2
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o out.onnx --max-size 1% --max-size 1.0
