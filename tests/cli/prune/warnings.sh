# What is lost and what does not fit is said; counts are exact.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq prune m.onnx --sparsity 0.9 --scope global --no-keep-ends --verify load -q -o lost.onnx --report lost.json
mq prune m.onnx --pattern 3:7 --verify load -q -o rest.onnx --report rest.json
mq prune m.onnx --sparsity 0.3,'conv2*=0.7' --dry-run -q --report dry.json
mq prune m.onnx --sparsity 0.5 --opset 20 --verify load -q -o up.onnx.gz
mq prune m.onnx --sparsity 0.5 --external-data all.data --external-threshold 256 --verify load -q -o out.onnx
mq check out.onnx -q
mq prune out.onnx --sparsity 0.5 --verify load -q -o again.onnx
mq diff out.onnx again.onnx -q
python3 - <<'EOF'
import json
def load(name):
    return json.load(open(name))
lost, rest, dry = load('lost.json'), load('rest.json'), load('dry.json')
print(sorted(w['code'] for w in lost['warnings']), lost['prune']['zeros'])
print(sorted({w['code'] for w in rest['warnings']}), [w['text'] for w in rest['warnings'] if w['code'] == 'pattern-rest'][0])
print([(t['name'], t['asked'], round(t['sparsity'] * 1000)) for t in dry['prune']['tensors']])
print([(k['name'], k['code']) for k in dry['kept']])
EOF
