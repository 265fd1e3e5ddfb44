# Outputs of the first samples are printed: place, type and shape, first values, the five largest.
mq run "$TESTDATA/digits_cnn.onnx" --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 12 2>/dev/null |
    sed "s,$TESTDATA/,," | sed -E 's/-?[0-9]+\.[0-9]+/N/g'
