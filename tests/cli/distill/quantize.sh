# The student as integers: smaller still, and judged as it is written.
d="$TESTDATA/digits.npz"
mq distill-export "$TESTDATA/digits_cnn.onnx" --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --epochs 4 \
    --quantize --min-metric 0.7 --max-size 30% -q -o s.onnx --report r.md
grep -o '100.0% of its MACs are of 8-bit integers' r.md
mq inspect s.onnx --json | python3 -c '
import json, sys
print("QuantizeLinear" in sys.stdin.read())'
