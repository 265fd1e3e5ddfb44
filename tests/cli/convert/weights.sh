# Out and in again, in both forms: the same bytes.
for form in npz safetensors; do
    mq convert "$TESTDATA/digits_cnn.onnx" -f -q -o out.onnx --weights-out w.$form
    mq convert "$TESTDATA/digits_cnn.onnx" -f -q -o again.onnx --weights-in w.$form
    mq check again.onnx -q --against "$TESTDATA/digits_cnn.onnx" --min-sqnr 200
done
python3 -c "
import json, struct
b = open(\"w.safetensors\", \"rb\").read()
n = struct.unpack(\"<Q\", b[:8])[0]
h = json.loads(b[8:8 + n])
print(len(h), h[\"fc.bias\"][\"dtype\"], h[\"fc.bias\"][\"shape\"], max(e[\"data_offsets\"][1] for e in h.values()) == len(b) - 8 - n)"
