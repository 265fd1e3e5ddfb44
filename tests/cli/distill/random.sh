# Fresh weights, the teacher alone, images moved about: the teacher runs in the loop.
d="$TESTDATA/digits.npz"
mq distill-export "$TESTDATA/digits_cnn.onnx" --data "$d:train_x" --preprocess scale=1/16 --samples 256 --epochs 2 \
    --init random --augment crop=1 --loss kd,cosine -q -o s.onnx
mq check s.onnx
