# An unknown key is exit 2.
echo '{"nodez": 1}' >c.json
mq inspect model.onnx --config c.json
