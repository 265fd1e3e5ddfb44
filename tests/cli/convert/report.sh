# Rewrites stand in the report.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --passes fold-batchnorm --json | tr -d " \n" | grep -o "\"rewrites\":{\"before\":{[^}]*},\"after\":{[^}]*}"
