# A gate: a slower model, a larger one and a less accurate one are each refused with exit status 1; a good one passes.
cp "$TESTDATA/digits_cnn.onnx" .
cp "$TESTDATA/digits_cnn_fp16.onnx" .
cp "$TESTDATA/digits_mlp.onnx" .
fit=(--runs 5 --warmup 1 -j 1 -q)
small=digits_mlp.onnx large=digits_cnn.onnx
mq bench "$large" "$large" "${fit[@]}" --max-latency 1h --min-speedup 0.0001 --max-size 100% --max-macs 100% --max-ram 1G && echo passes
for bound in '--max-latency 0.0001ms' '--min-speedup 1000' '--max-macs 4000' '--max-ram 1K'; do
    # shellcheck disable=SC2086 # words are wanted
    mq bench "$large" "$large" "${fit[@]}" $bound 2>/dev/null || echo "$bound: $?"
done
mq bench "$small" "$large" "${fit[@]}" --runs 100 --min-speedup 1 2>/dev/null || echo "slower: $?"
mq bench "$large" digits_cnn_fp16.onnx "${fit[@]}" --max-size 50% 2>/dev/null || echo "larger than asked: $?"
mq quantize "$large" -o rough.onnx -q --type int2 --ends-type int2 --per-tensor --max-size none 2>/dev/null
mq bench "$large" rough.onnx "${fit[@]}" --data "$TESTDATA/digits.npz:test_x" --labels "$TESTDATA/digits.npz:test_y" \
    --preprocess scale=1/16 --batch 50 --max-drop 1% 2>/dev/null || echo "less accurate: $?"
mq bench "$small" "${fit[@]}" --max-size 1K || echo $?
