# Searches by bounds in every mode, type and format; sensitivity alone, as a ranking in all forms of the report.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
static() {
    mq quantize m.onnx --data "$d:test_x" --labels "$d:test_y" --samples 100 --preprocess scale=1/16 -q "$@" 2>said
}
show='import json, sys
d = json.load(sys.stdin)
s = d["search"]
print(s["met"], len(s["tried"]) == s["evaluations"], all(b["pass"] for b in d["bounds"]), len(s.get("kept", [])) > 0,
      {t["held"] for t in s["tried"]})'
for how in "--mode weight" "--mode weight --type int4" "--mode dynamic" "--type int4" "--format qoperator"; do
    echo "$how" && static -o h.onnx -f $how --min-sqnr 42 --json | python3 -c "$show"
done
static -o i.onnx --sensitivity --report r.json,r.md,r.html
python3 - <<'P'
import json
s = json.load(open("r.json"))["sensitivity"]
db = [layer["points"][-1]["sqnr_db"] for layer in s]
print(len(s), db == sorted(db), s[0]["metric"], [p["form"] for p in s[0]["points"]])
P
grep -c 'one layer changed' r.md r.html
