# Metrics in the other engine, which is played by a script that answers with what lies beside the model: bounds must hold there too.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
cp a.onnx b.onnx
cat >engine <<'EOE'
#!/bin/sh
echo has 9.9
echo ready
while read -r order call n; do
    case $order in
        time) out=; while [ "$n" -gt 0 ]; do out="$out 5000"; n=$((n - 1)); done; echo $out ;;
        run) if cp "$3.npz" "$5/out.npz"; then echo done; else echo refused no answer; fi ;;
        *) echo done ;;
    esac
done
EOE
chmod +x engine
export MQ_PYTHON=$PWD/engine
# answer FILE OPTIONS: the output of a run on other inputs, under the number that the engine gives it
answer() {
    mq run a.onnx --batch 8 -f -o run.npz -q "${@:2}"
    python3 - "$1" <<'EOP'
import sys, zipfile
with zipfile.ZipFile("run.npz") as z, zipfile.ZipFile(sys.argv[1], "w") as out:
    out.writestr("0.npy", z.read("logits.npy"))
EOP
}
answer a.onnx.npz --data random:8
answer b.onnx.npz --data random:8
on=(--data random:8 --batch 8 --runs 3 --warmup 1 -j 1 -q)
mq bench a.onnx b.onnx "${on[@]}" --with-onnxruntime --metric agreement --max-drop 1% --min-sqnr 20 && echo holds
answer b.onnx.npz --data random:8 --seed 9
mq bench a.onnx b.onnx "${on[@]}" --metric agreement --max-drop 1% --min-sqnr 20 && echo holds without
mq bench a.onnx b.onnx "${on[@]}" --with-onnxruntime --metric agreement --max-drop 1% --min-sqnr 20 --report r.json 2>/dev/null || echo $?
python3 - <<'EOP'
import json
report = json.load(open("r.json"))
print([(b["name"], b["tensor"], b["pass"]) for b in report["bounds"]])
print([(m["model"], m["engine"], bool(m["values"])) for m in report["metrics"]])
EOP
mq bench a.onnx b.onnx "${on[@]}" --with-onnxruntime --eval-cmd 'echo 1' --max-drop 1% && echo eval
rm b.onnx.npz
mq bench a.onnx b.onnx "${on[@]}" --with-onnxruntime --metric agreement || echo $?
