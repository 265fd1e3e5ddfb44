# Files of other kinds are named, with the way to ONNX.
for f in model.pt model.tflite model.h5 model.safetensors saved_model.pb; do
    mq inspect $f || test $? = 3
done
