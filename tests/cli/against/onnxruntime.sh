# ONNX Runtime as the reference: played by a script that answers with the outputs in answer.npz, or refuses.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
cat >engine <<'EOE'
#!/bin/sh
echo has 9.9
test -e "$3.bad" && echo "refused no such operator" && exit
echo ready
while read -r order call; do
    case $order in
        hold) test -s "$5/in.npz" && echo done ;;
        run) if test -e answer.npz; then cp answer.npz "$5/out.npz" && echo done; else echo "refused out of luck"; fi ;;
        drop) echo done ;;
    esac
done
EOE
chmod +x engine
export MQ_PYTHON=$PWD/engine TMPDIR=$PWD/tmp
mkdir tmp
# answer FILE: the first output of a run, under the number that the engine gives it
answer() {
    python3 - "$1" <<'EOP'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z, zipfile.ZipFile("answer.npz", "w") as out:
    out.writestr("0.npy", z.read("logits.npy"))
EOP
}
mq check m.onnx --with-onnxruntime -q || echo $?
mq run m.onnx --data random:2 --batch 2 -o same.npz -q
answer same.npz
mq check m.onnx --with-onnxruntime --data random:2 --batch 2
mq check m.onnx --with-onnxruntime --data random:2 --batch 2 --seed 5 --report r.json >/dev/null || echo $?
mq check m.onnx --with-onnxruntime --data random:2 --batch 2 --seed 5 --min-sqnr -99 -q && echo within
python3 -c 'import json; print([b["pass"] for b in json.load(open("r.json"))["bounds"]])'
touch m.onnx.bad
mq check m.onnx --with-onnxruntime --annotate github --report r.json || echo $?
python3 -c 'import json; print([f["code"] for f in json.load(open("r.json"))["findings"]])'
ls tmp
gzip -c m.onnx >packed.onnx
for args in '--outputs none' '--tensors logits' '--against m.onnx' '--tests tmp'; do
    # shellcheck disable=SC2086 # words are wanted
    mq check m.onnx --with-onnxruntime $args || echo "$args: $?"
done
mq check - --with-onnxruntime <m.onnx || echo $?
mq check packed.onnx --with-onnxruntime || echo $?
MQ_PYTHON=./none mq check m.onnx --with-onnxruntime || echo $?
printf '#!/bin/sh\necho "none No module named numpy"\n' >engine
MQ_PYTHON=./engine mq check m.onnx --with-onnxruntime || echo $?
