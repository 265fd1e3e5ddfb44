/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Writes models that are small on disk and mean to be endless: calls of calls, loops in loops, thousands of one name,
 * sizes past all sense. Nothing here may cost more than seconds. Also writes one ordinary large model, for tests that have
 * to interrupt something.
 *
 * usage: make_models FOLDER [LARGE_MB] */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "text_format.h"

/* The text of the model being made. */
static char *text;
static size_t length, room;

static void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *fmt, ...)
{
    va_list ap, again;
    size_t n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = (size_t)vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (room - length <= n) {
        room = (length + n + 1) * 2;
        if (!(text = realloc(text, room)))
            exit(2);
    }
    vsnprintf(text + length, n + 1, fmt, ap);
    va_end(ap);
    length += n;
}

/* A long name: n letters. */
static char *letters(size_t n)
{
    static char *s;

    free(s);
    if (!(s = malloc(n + 1)))
        exit(2);
    memset(s, 'n', n);
    s[n] = '\0';
    return s;
}

#define FLOAT_4 "type{tensor_type{elem_type:1 shape{dim{dim_param:'N'} dim{dim_value:4}}}}"
#define INT64_1 "type{tensor_type{elem_type:7 shape{dim{dim_value:1}}}}"

static void begin(void)
{
    length = 0;
    put("ir_version:10 opset_import{version:21} opset_import{domain:'local' version:1} ");
}

/* graph, with an input x and an output y */
static void begin_graph(void)
{
    put("graph{name:'g' input{name:'x' " FLOAT_4 "} output{name:'y' " FLOAT_4 "} ");
}

static void node(const char *op, const char *in, const char *out)
{
    put("node{op_type:'%s' input:'%s' output:'%s'} ", op, in, out);
}

static void begin_function(int i)
{
    put("functions{name:'f%d' domain:'local' input:'a' output:'c' opset_import{version:21} "
        "opset_import{domain:'local' version:1} ", i);
}

/* n functions, each of which calls the one before it twice. */
static void explosion(int n, int infos)
{
    for (int i = 0; i < n; i++) {
        begin_function(i);
        for (int k = 0; k < infos; k++)
            put("value_info{name:'v%d' " FLOAT_4 "} ", k);
        for (int k = 0; k < 2; k++) {
            if (i)
                put("node{domain:'local' op_type:'f%d' input:'%s' output:'%s'} ", i - 1, k ? "b" : "a", k ? "c" : "b");
            else
                node("Relu", k ? "b" : "a", k ? "c" : "b");
        }
        put("} ");
    }
}

/* ---- work that multiplies -------------------------------------------------------------------------------------------- */

static void calls_many(void)
{
    explosion(30, 0);
    begin_graph();
    for (int i = 0; i < 2000; i++)
        put("node{domain:'local' op_type:'f29' input:'x' output:'%s%d'} ", i ? "t" : "y", i);
    put("}");
}

static void calls_large_bodies(void)
{
    explosion(20, 1000);
    begin_graph();
    for (int i = 0; i < 300; i++)
        put("node{domain:'local' op_type:'f19' input:'x' output:'t%d'} ", i);
    node("Relu", "t0", "y");
    put("}");
}

static void calls_deep(void)
{
    for (int i = 0; i < 3000; i++) {
        begin_function(i);
        put("node{domain:'local' op_type:'f%d' input:'a' output:'c'}} ", (i + 1) % 3000);
    }
    begin_graph();
    put("node{domain:'local' op_type:'f0' input:'x' output:'y'}}");
}

static void functions_far(void)
{
    for (int i = 0; i < 5000; i++) {
        begin_function(i);
        node("Relu", "a", "c");
        put("} ");
    }
    begin_graph();
    for (int i = 0; i < 5000; i++)
        put("node{domain:'local' op_type:'f4999' input:'x' output:'%s%d'} ", i ? "t" : "y", i);
    put("}");
}

/* A body in a body in a body: loops are inferred until their shapes settle. */
static void nested(const char *op, int depth)
{
    bool loop = strcmp(op, "Loop") == 0;

    begin_graph();
    put("initializer{name:'n' data_type:7 int64_data:9} initializer{name:'b' data_type:9 int32_data:1} ");
    for (int i = 0; i < depth; i++) {
        put("node{op_type:'%s' input:'%s' ", op, loop ? "n" : "b");
        if (loop)
            put("input:'' input:'%s%d' ", i ? "s" : "x", i);
        put("output:'%s%d' attribute{name:'%s' type:5 g{name:'g%d' ", i ? "o" : "y", i, loop ? "body" : "then_branch", i);
        if (loop)
            put("input{name:'i%d'} input{name:'c%d'} input{name:'s%d'} node{op_type:'Identity' input:'c%d' output:'d%d'} "
                "output{name:'d%d'} ", i, i, i + 1, i, i, i);
        put("output{name:'o%d'} ", i + 1);
    }
    put("node{op_type:'Relu' input:'x' output:'o%d'} ", depth);
    for (int i = depth; i-- > 0;)
        put("}} %s ", loop ? "}" : "attribute{name:'else_branch' type:5 g{name:'e' output{name:'z'} "
                                   "node{op_type:'Relu' input:'x' output:'z'}}}}");
    put("}");
}

static void loops_nested(void)
{
    nested("Loop", 30);
}

static void ifs_nested(void)
{
    nested("If", 30);
}

/* ---- many of one kind ---------------------------------------------------------------------------------------------- */

static void chain_reversed(void)
{
    begin_graph();
    for (int i = 30000; i-- > 0;)
        put("node{op_type:'Relu' input:'t%d' output:'t%d'} ", i, i + 1);
    node("Relu", "t30000", "y");
    node("Relu", "x", "t0");
    put("}");
}

static void ring(void)
{
    begin_graph();
    for (int i = 0; i < 30000; i++)
        put("node{op_type:'Relu' input:'t%d' output:'t%d'} ", i, (i + 1) % 30000);
    node("Relu", "t0", "y");
    put("}");
}

static void repeated(const char *what)
{
    begin_graph();
    node("Relu", "x", "y");
    for (int i = 0; i < 20000; i++)
        put("%s", what);
    put("}");
}

static void same_nodes(void)
{
    repeated("node{name:'n' op_type:'Relu' input:'x' output:'y'} ");
}

static void same_weights(void)
{
    repeated("initializer{name:'w' dims:1 data_type:1 float_data:1} ");
}

static void same_inputs(void)
{
    repeated("input{name:'x' " FLOAT_4 "} ");
}

static void same_outputs(void)
{
    repeated("output{name:'y' " FLOAT_4 "} ");
}

static void same_infos(void)
{
    repeated("value_info{name:'v' " FLOAT_4 "} ");
}

static void same_sparse(void)
{
    repeated("sparse_initializer{values{name:'s' dims:1 data_type:1 float_data:1} indices{dims:1 data_type:7 int64_data:0} "
             "dims:1} ");
}

static void other_infos(void)
{
    begin_graph();
    node("Relu", "x", "y");
    for (int i = 0; i < 20000; i++)
        put("value_info{name:'v%d' " FLOAT_4 "} value_info{name:'' " FLOAT_4 "} ", i);
    put("}");
}

static void annotations(void)
{
    repeated("quantization_annotation{tensor_name:'x' quant_parameter_tensor_names{key:'SCALE_TENSOR' value:'x'}} "
             "metadata_props{key:'k' value:'v'} ");
}

static void attributes(const char *each)
{
    begin_graph();
    put("node{op_type:'Relu' input:'x' output:'y' ");
    for (int i = 0; i < 20000; i++)
        put(each, i % 20000);
    put("}}");
}

static void same_attributes(void)
{
    attributes("attribute{name:'a' type:2 i:%d} ");
}

static void other_attributes(void)
{
    attributes("attribute{name:'a%d' type:2 i:1} ");
}

static void ports_many(void)
{
    begin_graph();
    put("node{op_type:'Concat' attribute{name:'axis' type:2 i:0} output:'t' ");
    for (int i = 0; i < 50000; i++)
        put("input:'x' ");
    put("} node{op_type:'Sum' output:'y' ");
    for (int i = 0; i < 50000; i++)
        put("input:'t' ");
    put("} node{op_type:'Split' input:'x' ");
    for (int i = 0; i < 50000; i++)
        put("output:'o%d' ", i);
    put("}}");
}

static void opsets_many(void)
{
    for (int i = 0; i < 20000; i++)
        put("opset_import{domain:'d%d' version:1} opset_import{version:21} ", i);
    begin_graph();
    for (int i = 0; i < 5000; i++)
        put("node{op_type:'Relu' domain:'d%d' input:'x' output:'%s%d'} ", 19999 - i, i ? "t" : "y", i);
    put("}");
}

static void external_many(void)
{
    begin_graph();
    node("Relu", "x", "y");
    for (int i = 0; i < 5000; i++)
        put("initializer{name:'w%d' dims:4 data_type:1 data_location:1 "
            "external_data{key:'location' value:'missing%d'}} ", i, i);
    put("}");
}

static void entries_many(void)
{
    begin_graph();
    node("Relu", "x", "y");
    put("initializer{name:'w' dims:4 data_type:1 data_location:1 ");
    for (int i = 0; i < 30000; i++)
        put("external_data{key:'location' value:'missing%d'} ", i);
    put("}}");
}

static void strings_many(void)
{
    begin_graph();
    node("Relu", "x", "y");
    put("initializer{name:'w' dims:100000 data_type:8 ");
    for (int i = 0; i < 100000; i++)
        put("string_data:'s' ");
    put("}}");
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------ */

static void rank_huge(void)
{
    begin_graph();
    put("initializer{name:'w' data_type:1 float_data:1 ");
    for (int i = 0; i < 50000; i++)
        put("dims:1 ");
    put("} input{name:'v' type{tensor_type{elem_type:1 shape{");
    for (int i = 0; i < 50000; i++)
        put("dim{dim_value:1} ");
    put("}}}} ");
    node("Relu", "w", "a");
    for (int i = 0; i < 200; i++)
        put("node{op_type:'Add' input:'v' input:'%s%d' output:'t%d'} node{op_type:'Transpose' input:'t%d' output:'u%d'} "
            "node{op_type:'Shape' input:'u%d' output:'s%d'} ", i ? "t" : "v", i ? i - 1 : 0, i, i, i, i, i);
    node("Relu", "t9", "y");
    put("}");
}

static void dims_huge(void)
{
    begin_graph();
    put("initializer{name:'w' data_type:1 dims:4611686018427387904 dims:4} "
        "initializer{name:'v' data_type:1 dims:1099511627776 dims:1048576 raw_data:''} "
        "initializer{name:'u' data_type:22 dims:9223372036854775807} "
        "initializer{name:'e' data_type:1 dims:4294967296 data_location:1 external_data{key:'location' value:'e.bin'} "
        "external_data{key:'offset' value:'9223372036854775807'} external_data{key:'length' value:'9223372036854775807'}} ");
    put("node{op_type:'MatMul' input:'x' input:'v' output:'a'} node{op_type:'MatMul' input:'a' input:'w' output:'b'} "
        "node{op_type:'Conv' input:'x' input:'e' output:'c'} node{op_type:'Add' input:'u' input:'u' output:'y'}}");
}

/* Contents that would fill the memory if they were computed. */
static void contents_huge(void)
{
    begin_graph();
    put("initializer{name:'n' data_type:7 dims:1 int64_data:1000000000000} "
        "initializer{name:'zero' data_type:7 int64_data:0} "
        "initializer{name:'one' data_type:7 int64_data:1} initializer{name:'big' data_type:7 int64_data:1000000000000} ");
    put("node{op_type:'ConstantOfShape' input:'n' output:'a'} "
        "node{op_type:'Range' input:'zero' input:'big' input:'one' output:'b'} "
        "node{op_type:'Tile' input:'n' input:'n' output:'c'} node{op_type:'Expand' input:'one' input:'n' output:'d'} "
        "node{op_type:'OneHot' input:'n' input:'big' input:'n' output:'e'} node{op_type:'EyeLike' input:'a' output:'f'} ");
    node("Relu", "x", "y");
    put("}");
}

/* A long symbol that takes part in much arithmetic. */
static void symbol_long(void)
{
    begin_graph();
    put("input{name:'s' type{tensor_type{elem_type:1 shape{dim{dim_param:'%s'} dim{dim_value:2}}}}} ", letters(1 << 20));
    put("initializer{name:'two' data_type:7 dims:1 int64_data:1} node{op_type:'Shape' input:'s' output:'t0'} ");
    for (int i = 0; i < 5000; i++)
        put("node{op_type:'%s' input:'t%d' input:'two' output:'t%d'} ", i % 2 ? "Add" : "Mul", i, i + 1);
    for (int i = 0; i < 2000; i++)
        put("node{op_type:'Concat' attribute{name:'axis' type:2 i:0} input:'s' input:'s' output:'c%d'} "
            "node{op_type:'Reshape' input:'c%d' input:'t%d' output:'r%d'} ", i, i, i, i);
    node("Relu", "x", "y");
    put("}");
}

static void names_long(void)
{
    const char *n = letters(1 << 20);

    begin_graph();
    put("node{name:'%s' op_type:'%s' domain:'%s' input:'%s' output:'y'} doc_string:'%s'}", n, n, n, n, n);
}

/* Errors about long names, many times: findings quote them. */
static void names_long_many(void)
{
    begin_graph();
    put("input{name:'%s'} ", letters(1 << 16));
    for (int i = 0; i < 3000; i++)
        put("node{op_type:'Relu' input:'%s%d' output:'t%d'} ", letters(500), i, i);
    node("Relu", "x", "y");
    put("}");
}

/* ---- the large one ------------------------------------------------------------------------------------------------- */

/* MatMul weights of 4 MB each. */
static void large(unsigned long megabytes)
{
    begin();
    put("graph{name:'g' input{name:'x0' type{tensor_type{elem_type:1 shape{dim{dim_param:'N'} dim{dim_value:1024}}}}} "
        "output{name:'x%lu' type{tensor_type{elem_type:1 shape{dim{dim_param:'N'} dim{dim_value:1024}}}}} ", megabytes / 4);
    for (unsigned long i = 0; i < megabytes / 4; i++)
        put("node{op_type:'MatMul' input:'x%lu' input:'w%lu' output:'x%lu'} initializer{name:'w%lu' data_type:1 dims:1024 "
            "dims:1024 raw_data:@4194304} ", i, i, i + 1, i);
    put("}");
}

static void save(const char *folder, const char *name)
{
    char path[4096];
    size_t size;
    uint8_t *data = text_to_model(text, &size);
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    if (!(f = fopen(path, "wb")) || fwrite(data, 1, size, f) != size || fclose(f)) {
        perror(path);
        exit(2);
    }
    free(data);
}

#define CASE(name) { #name, name }
static const struct {
    const char *name;
    void (*make)(void);
} cases[] = {
    CASE(calls_many), CASE(calls_large_bodies), CASE(calls_deep), CASE(functions_far), CASE(loops_nested), CASE(ifs_nested),
    CASE(chain_reversed), CASE(ring), CASE(same_nodes), CASE(same_weights), CASE(same_inputs), CASE(same_outputs),
    CASE(same_infos), CASE(same_sparse), CASE(other_infos), CASE(annotations), CASE(same_attributes), CASE(other_attributes),
    CASE(ports_many), CASE(opsets_many), CASE(external_many), CASE(entries_many), CASE(strings_many), CASE(rank_huge),
    CASE(dims_huge), CASE(contents_huge), CASE(symbol_long), CASE(names_long), CASE(names_long_many),
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [LARGE_MB]\n", argv[0]);
        return 2;
    }
    if (argc > 2) {
        large(strtoul(argv[2], NULL, 10));
        save(argv[1], "large");
        free(text);
        return 0;
    }
    for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
        begin();
        cases[i].make();
        save(argv[1], cases[i].name);
    }
    letters(0);
    free(text);
    return 0;
}
