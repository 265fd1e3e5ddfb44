# Sizes are written, and what follows from them.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --dim batch=4
mq inspect out.onnx | grep -A4 ^Inputs
mq convert out.onnx -f -q -o free.onnx --shape input=n,1,8,8
mq inspect free.onnx | grep -A4 ^Inputs
