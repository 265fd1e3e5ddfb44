# Another engine in a process of its own: played by a script here; bounds of time must hold there too.
cp "$TESTDATA/digits_mlp.onnx" .
cat >engine <<'EOF'
#!/bin/sh
test -s "$4/0.npz" || exit 1
echo ready 9.9
while read -r call n; do
    out= i=0
    while [ $i -lt "$n" ]; do out="$out 1000000000"; i=$((i + 1)); done
    echo $out
done
EOF
chmod +x engine
export MQ_PYTHON=$PWD/engine
mkdir tmp
export TMPDIR=$PWD/tmp
m=digits_mlp.onnx
mq bench "$m" -j 1 --runs 5 --with-onnxruntime --json 2>/dev/null |
    python3 -c 'import json, sys; print([(r["engine"], r["ms"]["median"] == 1000) for r in json.load(sys.stdin)["latency"]])'
mq bench "$m" -j 1 --runs 5 --with-onnxruntime --max-latency 900ms -q || echo $?
ls tmp
MQ_PYTHON=$PWD/none mq bench "$m" --runs 3 --with-onnxruntime -q 2>&1 | sed "s#$PWD/##g"
printf '#!/bin/sh\necho "none No module named onnxruntime"\n' >engine
mq bench "$m" --runs 3 --with-onnxruntime -q 2>&1 | sed "s#$PWD/##g"
