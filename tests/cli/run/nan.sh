# NaN in data is a counted warning; --allow-nonfinite: none; --strict: exit 1.
printf '%s\n' '{"input": [[[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,8],[1,2,3,4,5,6,7,NaN]]]}' >x.jsonl
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq run m.onnx --data x.jsonl >out || echo $?
mq run m.onnx --data x.jsonl --allow-nonfinite -q >out
mq run m.onnx --data x.jsonl --strict -q >out || echo $?
