# Another engine in a process of its own: played by a script here; bounds of time must hold there too.
cp "$TESTDATA/digits_mlp.onnx" .
cat >engine <<'EOE'
#!/bin/sh
echo has 9.9
echo ready
while read -r order call n; do
    case $order in
        hold) test -s "$5/in.npz" && echo done ;;
        time)
            out= i=0
            while [ $i -lt "$n" ]; do out="$out 1000000000"; i=$((i + 1)); done
            echo $out
            ;;
    esac
done
EOE
chmod +x engine
export MQ_PYTHON=$PWD/engine
mkdir tmp
export TMPDIR=$PWD/tmp
m=digits_mlp.onnx
mq bench "$m" -j 1 --runs 5 --with-onnxruntime --json 2>/dev/null |
    python3 -c 'import json, sys; print([(r["engine"], r["ms"]["median"] == 1000) for r in json.load(sys.stdin)["latency"]])'
mq bench "$m" -j 1 --runs 5 --with-onnxruntime --max-latency 100ms -q 2>&1 | sed "s/ (.*//"
ls tmp
MQ_PYTHON=$PWD/none mq bench "$m" --runs 3 --with-onnxruntime -q 2>&1 | sed "s#$PWD/##g"
printf '#!/bin/sh\necho "none No module named onnxruntime"\n' >engine
mq bench "$m" --runs 3 --with-onnxruntime -q 2>&1 | sed "s#$PWD/##g"
printf '#!/bin/sh\necho "has 9.9"\necho "refused no such operator"\n' >engine
mq bench "$m" --runs 3 --with-onnxruntime -q || echo $?
