# Several students of a deep teacher, half as deep; a bound that is missed keeps the student out of its place.
d="$TESTDATA/digits.npz"
mq distill-export "$TESTDATA/digits_cnn.onnx" --data "$d:train_x" --preprocess scale=1/16 --samples 256 --depth 0.5 \
    --epochs 1 --students 2 -q -o s.onnx && ls
cp "$TESTDATA/digits_cnn.onnx" teacher.onnx
mq distill-export teacher.onnx --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --epochs 1 -q \
    --min-metric 0.999 --keep-failed kept.onnx -o t.onnx && exit 9 || test $? = 1
ls
