# --eval-cmd: a number, an object, what it is told; a failure is exit status 5.
cp "$TESTDATA/digits_mlp.onnx" .
model=digits_mlp.onnx
cp "$model" "it's one.onnx"
mq bench "$model" "it's one.onnx" --runs 3 -q --max-drop 0 --eval-cmd 'test -s {} && test {} = "$MQ_MODEL" && wc -c <{}' && echo equal
mq bench "$model" --runs 3 -q --metric map --min-metric 0.5 --eval-cmd 'echo hello; echo "{\"map\": 0.4}"' || echo $?
mq bench "$model" --runs 3 -q --eval-cmd 'exit 7' || echo $?
mq bench "$model" --runs 3 -q --eval-cmd 'echo' || echo $?
