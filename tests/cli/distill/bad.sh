# What cannot be is said before anything is trained.
cp "$TESTDATA/digits_cnn.onnx" t.onnx
cp "$TESTDATA/digits_mlp.onnx" mlp.onnx
d="$TESTDATA/digits.npz"
fails() {
    local want=$1
    shift
    mq distill-export t.onnx -o s.onnx "$@" && exit 9 || test $? = "$want"
}
fails 2
fails 2 --data "$d:train_x" --preprocess scale=1/16 --loss hinge
fails 2 --data "$d:train_x" --preprocess scale=1/16 --control
fails 2 --data "$d:train_x" --preprocess scale=1/16 --width 0 -q
fails 2 --data "$d:train_x" --preprocess scale=1/16 --alpha 2 -q
fails 2 --data "$d:train_x" --preprocess scale=1/16 --resume
fails 2 --data "$d:train_x" --preprocess scale=1/16 --student x.onnx --width 0.5
fails 2 --data "$d:train_x" --preprocess scale=1/16 --val-split 0 -q
fails 2 --data "$d:train_x" --preprocess scale=1/16 --hint none=none -q
fails 3 --data "$d:train_x" --preprocess scale=1/16 --student missing.onnx -q
fails 3 --data "$d:train_x" --preprocess scale=1/16 --student mlp.onnx -q
python3 - <<'EOF'
import struct
def npy(path, dtype, shape, data):
    h = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (dtype, shape)
    h += ' ' * (63 - (len(h) + 10) % 64) + '\n'
    open(path, 'wb').write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(h)) + h.encode() + data)
npy('high.npy', '<i8', (1297,), struct.pack('<1297q', *[i % 11 for i in range(1297)]))
npy('empty.npy', '<f4', (0, 1, 8, 8), b'')
EOF
fails 3 --data "$d:train_x" --labels high.npy --preprocess scale=1/16 -q
fails 3 --data empty.npy -q
test ! -e s.onnx
touch there.onnx
fails 2 --data "$d:train_x" --preprocess scale=1/16 -o there.onnx
