# Needs no model; every name is a name for --passes.
mq convert --list-passes | sed -n "2,/^$/p" | while read -r name rest; do
    [ -z "$name" ] || mq convert "$TESTDATA/digits_mlp.onnx" --dry-run -q --passes "$name"
done
