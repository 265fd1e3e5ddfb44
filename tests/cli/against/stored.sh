# Without --against the data hold the outputs; without them that is an error.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
printf '{"input": [[[%s]]]}\n' "$(yes '[0,0,0,0,0,0,0,0]' | head -8 | paste -sd,)" >zero.jsonl
mq run m.onnx -q --data zero.jsonl | sed -E 's/.*\] ([^.]*\.[0-9]).*/\1/' | tail -1 >first
mq check m.onnx --data zero.jsonl || echo $?
printf '{"input": [[[%s]]], "logits": [0,0,0,0,0,0,0,0,0,0]}\n' "$(yes '[0,0,0,0,0,0,0,0]' | head -8 | paste -sd,)" >both.jsonl
mq check m.onnx --data both.jsonl --atol 100 -q
mq check m.onnx --data both.jsonl --atol 0.001 >/dev/null || echo $?
