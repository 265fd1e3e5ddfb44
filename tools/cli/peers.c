/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What other tools call differently: options of theirs that people type out of habit, answered with ours; files of
 * other kinds with the way to ONNX. Only sentences: nothing is accepted. */
#include "cli/peers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Names with '_' for '-'. "=X" is "mq calls it X"; anything else is the sentence itself. */
static const char *const peers[][2] = {
    { "quiet", "=-q" },
    { "silent", "=-q" },
    { "verbose", "=-v" },
    { "debug", "=-v" },
    { "log_level", "=-q or -v" },
    { "output", "=-o" },
    { "out", "=-o" },
    { "output_model", "=-o" },
    { "output_path", "=-o" },
    { "output_model_path", "=-o" },
    { "output_file", "=-o" },
    { "model_output", "=-o" },
    { "save", "=-o" },
    { "overwrite", "=--force" },
    { "yes", "=--force" },
    { "input", "the model is given without an option: mq COMMAND MODEL" },
    { "model", "the model is given without an option: mq COMMAND MODEL" },
    { "model_input", "the model is given without an option: mq COMMAND MODEL" },
    { "input_model", "the model is given without an option: mq COMMAND MODEL" },
    { "model_path", "the model is given without an option: mq COMMAND MODEL" },
    { "input_model_path", "the model is given without an option: mq COMMAND MODEL" },
    { "nodes_to_exclude", "=--exclude-nodes" },
    { "nodes_to_quantize", "=--nodes" },
    { "exclude", "=--exclude-nodes" },
    { "op_types_to_quantize", "=--op-types" },
    { "op_types_to_exclude", "=--exclude-op-types" },
    { "op_block_list", "=--exclude-op-types" },
    { "node_block_list", "=--exclude-nodes" },
    { "weight_type", "=--type (int8 for QInt8, uint8 for QUInt8)" },
    { "weight_quant_type", "=--type" },
    { "quant_type", "=--type" },
    { "qtype", "=--type" },
    { "precision", "=--type" },
    { "dtype", "=--type" },
    { "bits", "=--type (int4 for 4 bits, int8 for 8)" },
    { "weight_bits", "=--type (int4 for 4 bits, int8 for 8)" },
    { "int4", "=--type int4" },
    { "int8", "=--type int8" },
    { "quant_mode", "=--mode" },
    { "dynamic", "=--mode dynamic" },
    { "quant_format", "=--format (qdq, nbits)" },
    { "is_symmetric", "=--symmetric" },
    { "weight_symmetric", "=--symmetric" },
    { "sym", "=--symmetric" },
    { "asym", "=--asymmetric" },
    { "group_size", "=--block-size" },
    { "blocksize", "=--block-size" },
    { "quant_method", "=--algorithm" },
    { "quantization_method", "=--algorithm" },
    { "algo_config", "=--algorithm" },
    { "hqq", "=--algorithm hqq" },
    { "tensor_quant_overrides", "=--overrides" },
    { "clip_range", "=--range" },
    { "avx2", "=--target onnxruntime,x64-avx2" },
    { "avx512_vnni", "=--target onnxruntime,x64-vnni" },
    { "arm64", "=--target onnxruntime,arm64" },
    { "tensorrt", "=--target tensorrt" },
    { "output_tensor_type", "=--ends-type" },
    { "token_embedding_type", "=--ends-type" },
    { "leave_output_tensor", "=--tensor-type NAME=float" },
    { "granularity", "=--per-channel or --per-tensor" },
    { "per_layer", "=--per-tensor" },
    { "opset_version", "=--opset" },
    { "target_opset", "=--opset" },
    { "use_external_data_format", "=--external-data FILE" },
    { "save_as_external_data", "=--external-data FILE" },
    { "all_tensors_to_one_file", "=--external-data FILE" },
    { "external_data_location", "=--external-data FILE" },
    { "external_data_name", "=--external-data FILE" },
    { "size_threshold", "=--external-threshold" },
    { "external_data_size_threshold", "=--external-threshold" },
    { "input_data", "=--data" },
    { "inputs_data", "=--data" },
    { "load_inputs", "=--data" },
    { "load_input_data", "=--data" },
    { "data_loader_script", "=--data" },
    { "data_path", "=--data" },
    { "dataset", "=--data" },
    { "test_data_dir", "=--data (or mq check --tests)" },
    { "test_data", "=--data (or mq check --tests)" },
    { "calibration_data", "=--data" },
    { "calib_data", "=--data" },
    { "calibration_cache_file", "=--calibration-cache" },
    { "calib_cache", "=--calibration-cache" },
    { "calib", "=--calibration-cache" },
    { "validation_data", "=--val-data" },
    { "load_outputs", "=--data with arrays called like the outputs" },
    { "golden", "=--against (or --data with arrays called like the outputs)" },
    { "ref", "=--against" },
    { "reference", "=--against" },
    { "reference_model", "=--against" },
    { "baseline", "=--against" },
    { "compare", "=--against" },
    { "save_outputs", "=-o FILE.npz" },
    { "save_results", "=-o FILE.npz" },
    { "output_names", "=--outputs" },
    { "onnx_outputs", "=--outputs, or --tensors for tensors inside" },
    { "trt_outputs", "=--outputs" },
    { "input_names", "=--inputs" },
    { "onnx_inputs", "=--inputs" },
    { "mark", "=--tensors '*'" },
    { "dump_tensors", "=--tensors" },
    { "val_range", "=--data random:N,uniform=LOW/HIGH" },
    { "num_samples", "=--samples" },
    { "n_samples", "=--samples" },
    { "num_calib", "=--samples" },
    { "batch_size", "=--batch" },
    { "mean", "=--preprocess mean=R/G/B" },
    { "std", "=--preprocess std=R/G/B" },
    { "resize", "=--preprocess resize=HxW" },
    { "tolerance", "=--atol and --rtol" },
    { "tol", "=--atol and --rtol" },
    { "abs_tol", "=--atol" },
    { "rel_tol", "=--rtol" },
    { "absolute_tolerance", "=--atol" },
    { "relative_tolerance", "=--rtol" },
    { "snr", "=--min-sqnr" },
    { "min_snr", "=--min-sqnr" },
    { "min_sqnr_db", "=--min-sqnr" },
    { "random_seed", "=--seed" },
    { "validate", "=--verify" },
    { "input_shape", "=--shape" },
    { "input_shapes", "=--shape" },
    { "overwrite_input_shape", "=--shape" },
    { "test_input_shape", "=--shape" },
    { "dim_param", "=--dim" },
    { "dim_value", "=--dim" },
    { "no_check", "=--verify none" },
    { "skip_check", "=--verify none" },
    { "check", "=--verify" },
    { "nthreads", "=--threads" },
    { "num_threads", "=--threads" },
    { "jobs", "=--threads" },
    { "provider", "=--target" },
    { "execution_provider", "=--target" },
    { "device", "mq runs on the CPU" },
    { "format", "=--report FORM:FILE" },
    { "full_check", "mq check always looks at types and shapes" },
};

static const struct {
    const char *suffix, *what;
} kinds[] = {
    { ".pt", "a PyTorch file; torch.onnx.export(model, inputs, 'model.onnx') writes ONNX" },
    { ".pth", "a PyTorch file; torch.onnx.export(model, inputs, 'model.onnx') writes ONNX" },
    { ".ckpt", "a checkpoint of a training; torch.onnx.export(model, inputs, 'model.onnx') writes ONNX" },
    { ".safetensors", "weights without a graph; 'optimum-cli export onnx --model FOLDER OUT' writes ONNX" },
    { ".tflite", "a TensorFlow Lite file; 'python -m tf2onnx.convert --tflite FILE --output model.onnx' writes ONNX" },
    { ".h5", "a Keras file; 'python -m tf2onnx.convert --keras FILE --output model.onnx' writes ONNX" },
    { ".hdf5", "a Keras file; 'python -m tf2onnx.convert --keras FILE --output model.onnx' writes ONNX" },
    { ".keras", "a Keras file; model.export('model.onnx', format='onnx') writes ONNX" },
    { ".pb", "a TensorFlow graph; 'python -m tf2onnx.convert --saved-model FOLDER --output model.onnx' writes ONNX" },
    { ".pdmodel", "a PaddlePaddle file; paddle2onnx writes ONNX" },
    { ".pkl", "a Python pickle; for scikit-learn models skl2onnx writes ONNX" },
    { ".joblib", "a Python pickle; for scikit-learn models skl2onnx writes ONNX" },
    { ".gguf", "a GGUF file; export the model that it was made from to ONNX" },
    { ".mlmodel", "a Core ML file; export the model that it was made from to ONNX" },
    { ".engine", "a TensorRT engine, which cannot be turned back; take the ONNX model that it was built from" },
    { ".ort", "a model in ONNX Runtime's own format; take the ONNX model that it was made from" },
};

const char *cli_peer_hint(const char *name, char *buf, unsigned long size)
{
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        if (strcmp(peers[i][0], name) != 0)
            continue;
        if (peers[i][1][0] != '=')
            return peers[i][1];
        snprintf(buf, size, "mq calls it %s", peers[i][1] + 1);
        return buf;
    }
    return NULL;
}

/* An ONNX model begins with its first field, ir_version: tag 8. A TensorFlow GraphDef begins with a node: tag 10. A
 * SavedModel begins with tag 8 as well, but always has the same name. */
static bool is_tensorflow(const char *path)
{
    const char *base = strrchr(path, '/');
    FILE *f;
    int first;

    if (strcmp(base ? base + 1 : path, "saved_model.pb") == 0)
        return true;
    if (!(f = fopen(path, "rb")))
        return false;
    first = getc(f);
    fclose(f);
    return first == 0x0a;
}

const char *cli_foreign_file(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i].suffix);

        if (len > n && strcasecmp(path + len - n, kinds[i].suffix) == 0)
            return strcmp(kinds[i].suffix, ".pb") == 0 && !is_tensorflow(path) ? NULL : kinds[i].what;
    }
    return NULL;
}
