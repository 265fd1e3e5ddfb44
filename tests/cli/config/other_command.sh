# A key of another command, too.
echo '{"max-size": "1M"}' >c.json
mq inspect model.onnx --config c.json
