# A quantized model is refused; --requantize takes what is still float.
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o one.onnx --tensors fc1.weight
mq quantize one.onnx -o two.onnx || test $? = 2
mq quantize -q one.onnx -o two.onnx --requantize
mq inspect two.onnx --json | python3 -c 'import json, sys; print(*sorted(o["op_type"] for o in json.load(sys.stdin)["model"]["operators"]))'
