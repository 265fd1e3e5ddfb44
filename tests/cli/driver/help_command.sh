# Every command has its table, by both names, and options before -h do not matter.
for c in quantize inspect check; do
    mq $c -h >a
    "mq-$c" --help >b
    mq $c model.onnx -v -h --unknown-option-behind >c
    cmp a b
    cmp a c
    head -1 a
done
