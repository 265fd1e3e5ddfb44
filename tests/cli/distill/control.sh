# The same student without the teacher stands beside it in the report.
d="$TESTDATA/digits.npz"
mq distill-export "$TESTDATA/digits_cnn.onnx" --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --epochs 2 \
    --control -q -o s.onnx --report r.json
python3 -c '
import json
r = json.load(open("r.json"))
print([m["model"] for m in r["metrics"]], r["verdict"], "without the teacher" in r["mode"]["note"])'
