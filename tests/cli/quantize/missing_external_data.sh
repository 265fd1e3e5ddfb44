cp -r "$TESTDATA/odd/external_one_file" in
rm in/[!m]*
mq quantize in/model.onnx -o out.onnx
