# A file that is no JSON is exit 3.
echo '{"strict": true' >c.json
mq inspect model.onnx --config c.json
