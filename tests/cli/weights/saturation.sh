# Products of uint8 and int8 saturate on x86 without VNNI: said once, not where the target or the type rules it out.
cd "$TESTDATA"
q() { mq quantize digits_mlp.onnx --mode dynamic --dry-run "$@" >/dev/null; }
q
q --target onnxruntime
q --target onnx,x64-avx2
q --target onnx,x64-vnni
q --target onnx,arm64
q --target c
q --reduce-range
q --no-reduce-range
q --type uint8
