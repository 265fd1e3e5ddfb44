# Images that cannot be decoded are named; --skip-bad leaves them out and counts them; images need --preprocess.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mkdir photos
base64 -d >photos/a.png <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAASElEQVR42mNggANmNk4efiFRBgY2HiEJORUtBgZOIWkVXTN7BgYeCRUDG48QBgZ+OV0b76hMBgYhFTOPqJw6BgZRLfuQzLrJAME4CTEeO27rAAAAAElFTkSuQmCC
PNG
echo "no image" >photos/b.png
try() { mq quantize m.onnx -o out.onnx -q "$@" || echo $?; }
try --data photos
try --data photos --preprocess order=gray,scale=1/255
try --data photos --preprocess order=gray,resize=4x4,scale=1/255
mq quantize m.onnx -o out.onnx --data photos --preprocess order=gray,scale=1/255 --skip-bad 2>&1 >/dev/null | sort -u >&2
rm photos/a.png
try --data photos --preprocess order=gray,scale=1/255 --skip-bad -f 2>said
sort -u said >&2
