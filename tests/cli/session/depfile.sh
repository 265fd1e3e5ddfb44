# make understands the depfile, odd names included: a second make does nothing; a changed list, a changed model do it again.
cp "$TESTDATA/digits_cnn.onnx" 'in #1$a.onnx'
printf '*\n' >'no des.txt'
touch -d '1 hour ago' 'in #1$a.onnx' 'no des.txt'
cat >Makefile <<'M'
out\ 1.onnx:
	@echo quantize
	@mq quantize 'in #1$$a.onnx' -q -f -o 'out 1.onnx' --nodes '@no des.txt' --depfile out.d
-include out.d
M
make
make -q
for changed in 'no des.txt' 'in #1$a.onnx'; do
    touch -d '30 minutes ago' 'out 1.onnx'
    make -q
    touch -d '20 minutes ago' "$changed"
    make
    touch -d '1 hour ago' "$changed"
done
