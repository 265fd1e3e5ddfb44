# Values that were seen beyond the range stay float; without the data the proof finds them.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o ok.onnx --precision fp16 --keep-io-types --data random:2,uniform=-1e4/1e4
mq convert "$TESTDATA/digits_cnn.onnx" -q -o bad.onnx --precision fp16 --keep-io-types --val-data random:2,uniform=-1e4/1e4 2>err || echo "exit $?"
grep -c "min-sqnr of" err
mq convert "$TESTDATA/digits_cnn.onnx" -v -f -o ok.onnx --precision fp16 --keep-io-types --data random:2,uniform=-1e4/1e4 2>&1 |
    grep -o "values of '.*overflow" | sed 's/of size [0-9e.+]*/of size N/'
