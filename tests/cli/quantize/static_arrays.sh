# The same numbers, however they lie in the file: row by row or column by column (Fortran), at any place of an .npz file,
# packed or not, big end first; doubles and halves that hold them. One sample is enough, and so is one number.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
python3 - <<'P'
import itertools, struct, zipfile

N, H, W = 12, 8, 8
value = lambda n, y, x: ((n * 7 + y * 3 + x * 5) % 17) / 16

def npy(type, code, order=None, values=value, rows=N):
    places = itertools.product(range(rows), range(H), range(W))
    if order == "fortran":
        places = ((n, y, x) for x, y, n in itertools.product(range(W), range(H), range(rows)))
    head = f"{{'descr': '{type}', 'fortran_order': {order == 'fortran'}, 'shape': ({rows}, 1, {H}, {W}), }}"
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    data = b"".join(struct.pack(type[0] + code, values(*p)) for p in places)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data

def npz(name, array, pad, packed=zipfile.ZIP_STORED):
    with zipfile.ZipFile(name, "w", packed) as z:
        z.writestr("p" * pad + ".txt", b"x" * pad)
        z.writestr("input.npy", array)

rows, columns = npy("<f4", "f"), npy("<f4", "f", "fortran")
for name, array in ("rows", rows), ("columns", columns), ("big", npy(">f4", "f")), ("double", npy("<f8", "d")), \
        ("half", npy("<f2", "e")), ("double_columns", npy(">f8", "d", "fortran")):
    open(name + ".npy", "wb").write(array)
for pad in range(1, 5):
    npz(f"at{pad}.npz", rows, pad)
    npz(f"columns{pad}.npz", columns, pad)
npz("packed.npz", rows, 1, zipfile.ZIP_DEFLATED)
npz("packed_columns.npz", columns, 1, zipfile.ZIP_DEFLATED)
open("one.npy", "wb").write(npy("<f4", "f", rows=1))
open("three.npy", "wb").write(npy("<f4", "f", values=lambda *p: 3.0))
open("zero.npy", "wb").write(npy("<f4", "f", values=lambda *p: 0.0))
P
for file in rows.npy columns.npy big.npy double.npy half.npy double_columns.npy *.npz; do
    mq quantize m.onnx -q -f -o "$file.onnx" --data "$file"
    cmp "$file.onnx" rows.npy.onnx
done

# A sample of one, and nothing but one number: scales are numbers above 0, and the model runs.
for file in one three zero; do
    mq quantize m.onnx -q -o $file.onnx --data $file.npy --report $file.json
    mq check $file.onnx --against m.onnx --data $file.npy --min-sqnr 20 -q
done
python3 - <<'P'
import json
for name in "one", "three", "zero":
    points = json.load(open(name + ".json"))["activations"]
    assert points and all(0 < p["scale"] < 1e3 for p in points), (name, points)
P
