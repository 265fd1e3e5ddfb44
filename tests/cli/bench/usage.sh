# What contradicts itself or cannot be judged is exit status 2, before anything is measured.
cp "$TESTDATA/digits_mlp.onnx" .
m=digits_mlp.onnx
try() { mq bench "$@" -q || echo $?; }
try
try "$m" --runs 3 --duration 1s
try "$m" --duration 5
try "$m" --runs 0
try "$m" --time-limit 0s
try "$m" --min-speedup 1.3
try "$m" --max-size 50%
try "$m" --max-drop 1%
try "$m" "$m" --metric top1
try "$m" --metric best
try "$m" --min-metric 3
try "$m" --lower-is-better
try "$m" -j 1,0
try "$m" -j 1,
try - --with-onnxruntime
try "$m" --with-onnxruntime --outputs x
try "$m" none.onnx
mq run "$m" -j 1,2 || echo $?
mq run "$m" --batch 1,2 || echo $?
