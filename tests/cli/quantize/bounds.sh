# Bounds besides size: measured on --val-data or the data of the calibration, reported, and missed with exit status 1.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
static() {
    mq quantize m.onnx --data "$d:test_x" --labels "$d:test_y" --samples 100 --preprocess scale=1/16 -q "$@"
}
show='import json, sys
d = json.load(sys.stdin)
print(*[(b["name"], b["pass"]) for b in d["bounds"]], len(d.get("metrics", [])))'
static -o a.onnx --max-drop 5% --min-sqnr 15 --json | python3 -c "$show"
mq quantize m.onnx --data "$d:test_x" --preprocess scale=1/16 --samples 50 --val-data "$d:test_x" --val-labels "$d:test_y" \
    -o b.onnx --min-metric 0.5 --metric top5 --json -q | python3 -c "$show"
mq quantize m.onnx -o c.onnx --max-macs 1000 --json -q 2>/dev/null | python3 -c "$show" || true
test ! -e c.onnx
mq quantize m.onnx -o c.onnx --max-latency 0.001ms --keep-failed kept.onnx -q 2>missed || test $? = 1
grep -c 'max-latency' missed
test ! -e c.onnx -a -e kept.onnx
mq quantize m.onnx -o e.onnx --max-drop 1% --eval-cmd 'exit 7' -q 2>/dev/null || test $? = 5
test ! -e e.onnx
for bad in '--eval-cmd true' '--metric top1' '--max-drop 1% --metric-output y --eval-cmd true' '--min-speedup 1 --dry-run' \
    '--val-labels x.npz' '--lower-is-better'; do
    mq quantize m.onnx -o f.onnx $bad -q 2>/dev/null && echo "taken: $bad" || test $? = 2
done
