/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The text of `mq help TOPIC`. */
#include "topics.h"

#include <stddef.h>

#include "mq/quantize.h"

static const char types[] =
    "Types of quantized weights (--type, --ends-type, --tensor-type)\n"
    "\n"
    "A weight w is stored as q = round(w / scale) + zero_point, kept within the type, and read back as\n"
    "(q - zero_point) * scale. Rounding is to the nearest, ties to even; 0 is always exact. Types of 8 and 16 bits have a\n"
    "scale per output channel (--per-tensor: one), types of 2 and 4 bits one per block (--block-size). Symmetric types\n"
    "(int8 and int16 by themselves, all with --symmetric) have the zero point 0, or the middle of an unsigned type. The\n"
    "error of each tensor is in the report.\n"
    "\n";

static const char targets[] =
    "Targets (--target): what has to take the model\n"
    "\n"
    "mq check --target NAME names every node that the target does not take, and why.\n"
    "mq convert --target onnxruntime writes fused operators that only ONNX Runtime has; portable keeps to old ones.\n"
    "\n";

static const char exits[] =
    "Exit status\n"
    "\n"
    "  0  done; every bound asked for holds\n"
    "  1  done, but a bound is missed, check has findings, or --strict and there was a warning;\n"
    "     reports are written, the model is not put in place (--keep-failed FILE puts it there)\n"
    "  2  the command line: unknown option, bad value, contradiction, pattern without a match, output exists (-f)\n"
    "  3  an input: missing, unreadable, not a model, corrupt, invalid graph (for check that is a finding: 1)\n"
    "  4  unsupported, or nothing to do\n"
    "  5  the system: cannot write, disk full, out of memory\n"
    "\n"
    "SIGINT, SIGTERM, SIGHUP and SIGPIPE: temporary files are removed, then the process dies of the same signal, so\n"
    "that shell loops and make stop.\n";

static const char data[] =
    "Data (--data, --val-data): what a model is run on\n"
    "\n"
    "  --data SOURCE            feeds the inputs by name, or the only input\n"
    "  --data INPUT=SOURCE      feeds that input; several such sources are columns of the same samples\n"
    "  --data SOURCE:KEY        one array out of a file\n"
    "Sources without INPUT= add up: one gives its rows after the other.\n"
    "\n"
    "  x.npz, x.npy             arrays as numpy saves them\n"
    "  x.jsonl                  one JSON object of inputs per line; lengths may differ: the form for token ids\n"
    "  FOLDER, list.txt         images (.jpg .jpeg .png), searched deep, in the order of their names\n"
    "  FOLDER                   ONNX test data: test_data_set_N/input_K.pb (and output_K.pb)\n"
    "  random:N                 N generated samples of the declared shapes; random:N,normal=0/1, random:N,uniform=-1/1\n"
    "\n"
    "Arrays called like inputs feed them; called like outputs they are what mq check compares with. A model with one\n"
    "input takes the one array that is left over. Axis 0 is the batch axis: rows are put together as the model or\n"
    "--batch says. An array of one rank more than its input is one call per row.\n"
    "\n"
    "  --fill INPUT=VALUE       an input without data: zeros, ones, range, empty, random or a number; INPUT is a pattern\n"
    "  --dim NAME=N             size of a symbolic dimension; --shape INPUT=1x3x224x224 of all of them\n"
    "  --carry OUTPUT=INPUT     state of a recurrent model: an output feeds an input of the next run, zeros at first\n"
    "  --samples N              so many, evenly spread (with --carry the first ones)\n"
    "  --skip-bad               leave out what cannot be read\n"
    "  --preprocess             how images and uint8 arrays become inputs: mq help preprocess\n"
    "\n"
    "A decoder with a cache, from token ids alone:\n"
    "  mq run decoder.onnx --data ids.jsonl --fill 'past_key_values.*=empty' --fill attention_mask=ones \\\n"
    "      --fill position_ids=range\n";

static const char preprocess[] =
    "Preprocessing (--preprocess SPEC or FILE.json): from images or uint8 arrays to what an input wants\n"
    "\n"
    "A SPEC is a preset, keys, or a preset and keys that change it: imagenet,crop=192. A JSON file has the same keys.\n"
    "Whatever order they are written in, this is what happens:\n"
    "\n"
    "  order=rgb|bgr|gray       channels; files are decoded as RGB, turned as their EXIF data say\n"
    "  resize=S                 the short side becomes S; resize=HxW exactly; without a value the model's size\n"
    "  letterbox=S|HxW          fits inside and fills up: fill=114, centred or align=topleft\n"
    "  crop=S|HxW               from the centre\n"
    "  scale=, mean=, std=      y = (x*scale - mean) / std; 1/255 divides; per channel as a/b/c\n"
    "  layout=nchw|nhwc         of the model, by its shape when left out; from=nchw|nhwc of arrays\n"
    "  interp=bilinear|nearest|bicubic|area, antialias=on|off (on as PIL, off as OpenCV), input=NAME\n"
    "\n"
    "  imagenet  resize=256,crop=224,scale=1/255,mean=0.485/0.456/0.406,std=0.229/0.224/0.225\n"
    "  yolo      letterbox,scale=1/255,antialias=off\n"
    "  caffe     resize=256,crop=224,order=bgr,mean=104/117/123\n"
    "  tf        resize,scale=1/127.5,mean=1\n"
    "  clip      resize=224,crop=224,interp=bicubic,scale=1/255 and CLIP's mean and std\n"
    "  none      values as they are\n"
    "\n"
    "The commonest mistake is a wrong scale: -v and reports show shape and range of the first sample.\n";

const mq_topic mq_topics[] = {
    { "types", types, mq_quantize_list_types },
    { "targets", targets, mq_quantize_list_targets },
    { "data", data, NULL },
    { "preprocess", preprocess, NULL },
    { "exit", exits, NULL },
    { NULL, NULL, NULL },
};
