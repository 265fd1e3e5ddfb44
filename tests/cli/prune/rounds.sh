# Rounds with training: the zeros that were asked for, the accuracy kept, the same bytes at any thread count and after a stop.
m="$TESTDATA/digits_cnn.onnx" d="$TESTDATA/digits.npz"
set -- "$m" --sparsity 0.8 --rounds 4 --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 \
    --val-data "$d:test_x" --val-labels "$d:test_y" -q -f
mq prune "$@" -j 1 -o one.onnx --report r.json
python3 -c '
import json
p = json.load(open("r.json"))["prune"]
r = p["rounds"]
assert p["zeros"] == 2368 and len(r) == 4 and r[0]["sparsity"] < 0.5 and abs(r[3]["sparsity"] - 0.8) < 1e-6, p
assert p["metric_before"] == 0.986 and r[3]["metric"] > 0.97, p'
mq prune "$@" -j 2 -o two.onnx --checkpoint kept
cmp one.onnx two.onnx
rm kept/round-3.weights kept/round-4.weights
mq prune "$@" -o on.onnx --checkpoint kept --resume
cmp one.onnx on.onnx
mq prune "$@" --lr 5e-3 -o other.onnx --checkpoint kept --resume 2>other.txt && exit 9
grep -q "round-1.weights': it belongs to another pruning" other.txt
# Without labels: from the model itself.
mq prune "$m" --sparsity 0.6 --epochs 1 --data "$d:train_x" --preprocess scale=1/16 -q -o self.onnx --report self.json
python3 -c '
import json
p = json.load(open("self.json"))["prune"]
assert p["zeros"] == 1775 and p["metric"] == "mse" and p["rounds"][0]["metric"] < 4, p'
# Nothing is trained: as without rounds.
mq prune "$m" --sparsity 0.6 --rounds 3 --epochs 0 -q -o none.onnx
mq prune "$m" --sparsity 0.6 -q -o plain.onnx
cmp none.onnx plain.onnx
mq prune "$m" --sparsity 0.6 --lr 1 -o x.onnx 2>lr.txt && exit 9
grep -q "lr is for a training" lr.txt
mq prune "$m" --sparsity 0.6 --rounds 2 -o x.onnx 2>data.txt && exit 9
grep -q "trains on --data, which is not given" data.txt
# Channels: taken out or zero, the same is learned.
set -- "$m" --pattern channel --sparsity 0.5 --epochs 2 --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 -q
mq prune "$@" -o cut.onnx --report cut.json
mq prune "$@" --zero-only -o zero.onnx --report zero.json
python3 -c '
import json
a, b = (json.load(open(f))["prune"]["rounds"][0]["metric"] for f in ("cut.json", "zero.json"))
assert abs(a - b) < 0.02 and a > 0.6, (a, b)'
# In rounds, too: half of the channels in the end, the same bytes at any thread count and after a stop.
set -- "$@" --rounds 3 -f
mq prune "$@" -j 1 -o one.onnx --report one.json
mq prune "$@" -j 2 -o two.onnx --checkpoint cuts
cmp one.onnx two.onnx
rm cuts/round-2.weights cuts/round-3.weights
mq prune "$@" -o on.onnx --checkpoint cuts --resume
cmp one.onnx on.onnx
mq prune "$m" --pattern channel --max-macs 60% --rounds 2 --epochs 1 --sparsity-schedule linear --data "$d:train_x" \
    --labels "$d:train_y" --preprocess scale=1/16 -q -o macs.onnx --report macs.json
python3 -c '
import json
p = json.load(open("one.json"))["prune"]
r = [x["sparsity"] for x in p["rounds"]]
assert r[0] < r[1] < r[2] and all(2 * g["left"] == g["channels"] for g in p["groups"]) and p["rounds"][2]["metric"] > 0.6, p
r = json.load(open("macs.json"))["prune"]
assert len(r["rounds"]) == 2 and r["worth"]["macs"] <= 0.6 * r["worth"]["macs_before"], r'
# What a search found is what rounds prune.
mq prune "$m" --max-drop 1% --rounds 2 --lr 3e-3 --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 -q -o b.onnx \
    --report b.json
python3 -c '
import json
p = json.load(open("b.json"))["prune"]
assert p["sparsity"] > 0.2 and abs(p["rounds"][1]["sparsity"] - p["sparsity"]) < 1e-6, p'
# By data: the counts that were asked for, masks that grow, the same bytes at any thread count.
set -- "$m" --sparsity 0.8 --method sparsegpt --rounds 3 --epochs 1 --data "$d:train_x" --labels "$d:train_y" \
    --preprocess scale=1/16 -q -f
mq prune "$@" -j 1 -o one.onnx --report data.json
mq prune "$@" -j 3 -o three.onnx
cmp one.onnx three.onnx
mq prune "$m" --method wanda --pattern 2:4 "${@:6}" -o wanda.onnx --report wanda.json
python3 -c '
import json
p = json.load(open("data.json"))["prune"]
assert p["zeros"] == 2368 and len(p["rounds"]) == 3 and p["rounds"][2]["metric"] > 0.9, p
p = json.load(open("wanda.json"))["prune"]
assert abs(p["sparsity"] - 0.5) < 0.02 and p["rounds"][2]["metric"] > 0.9, p'
