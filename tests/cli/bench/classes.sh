# Classes are called what the model's metadata call them, in whichever form; in the table nothing drives the terminal.
cp "$TESTDATA/digits_cnn.onnx" .
python3 - <<'EOF'
words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def put(path, key, value):
    entry = field(1, key.encode()) + field(2, value.encode())
    with open(path, "wb") as f:
        f.write(open("digits_cnn.onnx", "rb").read() + bytes([14 << 3 | 2, len(entry) & 127 | 128, len(entry) >> 7]) + entry)


put("python.onnx", "names", repr(dict(enumerate(words))).replace("two", "t\x1bwo"))
put("lines.onnx", "classes", "\n".join(words))
put("few.onnx", "names", repr(words[:9]))
EOF
for model in python lines few; do
    mq bench $model.onnx --data "$TESTDATA/digits.npz:test_x" --labels "$TESTDATA/digits.npz:test_y" --preprocess scale=1/16 \
        --batch 50 --runs 3 -j 1 --metric f1 --report json:$model.json 2>/dev/null >$model.txt
    grep -A 4 'by class' $model.txt | awk 'NR > 1 { print $1, $2, $6 }'
    python3 -c "
import json, sys
print([c.get('name') for c in json.load(open(sys.argv[1]))['metrics'][0]['classes']])" $model.json
done
