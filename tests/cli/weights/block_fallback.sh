# What happens where blocks do not divide a weight: conv2 has 16 input channels.
cd "$TESTDATA"
for f in partial error skip adjust; do
    mq quantize digits_cnn.onnx --dry-run --json --tensors conv2.weight --type int4 --block-fallback $f >/dev/null 2>"$OLDPWD/err" || {
        echo "$f: exit $?: $(grep -v warning "$OLDPWD/err")"
        continue
    }
    mq quantize -q digits_cnn.onnx --dry-run --json --tensors conv2.weight,pointwise.weight --type int4 --block-fallback $f |
        python3 -c "import json, sys
r = json.load(sys.stdin)
print('$f:', [(c['name'], c['block_size']) for c in r['changed']], [(k['name'], k['code']) for k in r['kept'] if k['code'] != 'excluded'])"
done
