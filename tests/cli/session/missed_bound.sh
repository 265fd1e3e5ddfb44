# A missed bound is exit 1, with a report and without a model.
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --max-size 1K --report r.json || test $? = 1
test ! -e out.onnx
python3 -c 'import json; print(json.load(open("r.json"))["verdict"])'
