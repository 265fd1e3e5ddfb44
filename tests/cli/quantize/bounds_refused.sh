# Options that no bound heeds are refused, as is an output that cannot be written before anything is measured; a model from
# standard input can be judged; what the user has fixed a search leaves; a dry run judges the models that a run would judge.
d="$TESTDATA/digits.npz:test_x"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
for bad in "--data $d --labels ${d}" "--val-data $d --val-labels $d" "--time-limit 1s" "--max-evals 3" "--metric-output y" \
    "--data $d --labels $d --val-data $d --min-sqnr 1"; do
    mq quantize m.onnx -o a.onnx $bad -q 2>/dev/null && echo "taken: $bad" || test $? = 2
done
touch a.onnx
mq quantize m.onnx -o a.onnx --mode weight --max-drop 1% --eval-cmd 'touch ran; echo 1' -q 2>/dev/null || test $? = 2
test ! -e ran
mq quantize - -o b.onnx --min-sqnr 40 --mode weight -q <m.onnx
how="--preprocess scale=1/16 --samples 60 -q --json"
mq quantize m.onnx -o c.onnx --type int4 --tensor-type '*=int4' --min-sqnr 40 --val-data "$d" $how 2>/dev/null >c.json || test $? = 1
python3 -c '
import json
print(json.load(open("c.json")).get("search", {}).get("kept", []))'
for dry in "" --dry-run; do # both with weights rounded by data
    mq quantize m.onnx -o d.onnx -f --mode weight --algorithm gptq --type int4 --data "$d" --min-sqnr 10 $how $dry 2>/dev/null
done | python3 -c '
import json, sys
tried = [json.loads(x)["search"]["tried"][0]["sqnr_db"] for x in sys.stdin.read().strip().replace("}\n{", "}\0{").split("\0")]
print(len(tried), tried[0] == tried[1])'
