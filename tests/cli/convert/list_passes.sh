# Needs no model; every name is a name for --passes, with a target that is named behind it (or any).
mq convert --list-passes | sed -n "2,/^$/p" | while read -r name rest; do
    target=$(sed -nE 's/.*\((onnx|onnxruntime)(, onnxruntime)?\)$/\1/p' <<< "$rest")
    [ -z "$name" ] || mq convert "$TESTDATA/digits_mlp.onnx" --dry-run -q --passes "$name" --target "${target:-portable}"
done
