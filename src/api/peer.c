/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX Runtime in a Python process: a short program handed over on the command line, arrays in .npz files of a temporary
 * folder (removed as soon as they have been read), orders and answers as lines on a socket. Nothing is sent anywhere else.
 * The process has a group of its own, so that a Ctrl-C ends mq, and mq ends it. */
#include "api/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/data.h"
#include "data/npy.h"
#include "data/table.h"

extern char **environ;

#define OPTION "--with-onnxruntime"
#define NEXT_STEP "MQ_PYTHON names a Python that has onnxruntime"

/* Arguments: model, threads, folder. Says "has VERSION" or "none WHY", then "ready" or "refused WHY". Then answers orders:
 * "hold" (in.npz of the folder) and "drop" with "done", "time CALL COUNT" with as many nanoseconds, "run CALL" with "done"
 * when out.npz is there. It ends with this process, however that ends: it may be stopped then (see rest). */
static const char program[] =
    "import ctypes, gc, signal, sys, time\n"
    "PR_SET_PDEATHSIG = 1\n"
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))\n"
    "def say(*words):\n"
    "    print(*words, flush=True)\n"
    "def fail(word, why):\n"
    "    say(word, ' '.join(str(why).split())[:600])\n"
    "    sys.exit(1)\n"
    "try:\n"
    "    import numpy, onnxruntime\n"
    "except BaseException as e:\n"
    "    fail('none', e)\n"
    "say('has', onnxruntime.__version__)\n"
    "try:\n"
    "    options = onnxruntime.SessionOptions()\n"
    "    options.intra_op_num_threads = int(sys.argv[2])\n"
    "    options.inter_op_num_threads = 1\n"
    "    options.log_severity_level = 3\n"
    "    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=['CPUExecutionProvider'])\n"
    "    wanted = [i.name for i in session.get_inputs() + session.get_overridable_initializers()]\n"
    "except Exception as e:\n"
    "    fail('refused', e)\n"
    "say('ready')\n"
    "gc.disable()\n"
    "feeds = []\n"
    "def hold():\n"
    "    with numpy.load(sys.argv[3] + '/in.npz') as data:\n"
    "        feeds.append({name: data[name] for name in wanted if name in data})\n"
    "    say('done')\n"
    "def drop():\n"
    "    feeds.clear()\n"
    "    say('done')\n"
    "def timed(call, count):\n"
    "    times = []\n"
    "    for _ in range(count):\n"
    "        start = time.perf_counter_ns()\n"
    "        session.run(None, feeds[call])\n"
    "        times.append(time.perf_counter_ns() - start)\n"
    "    say(*times)\n"
    "def run(call):\n"
    "    outs = enumerate(session.run(None, feeds[call]))\n"
    "    plain = lambda a: a.astype('U') if a.dtype == object else a\n"
    "    numpy.savez(sys.argv[3] + '/out.npz', **{str(i): plain(a) for i, a in outs if isinstance(a, numpy.ndarray)})\n"
    "    say('done')\n"
    "orders = {'hold': hold, 'drop': drop, 'time': timed, 'run': run}\n"
    "for line in sys.stdin:\n"
    "    words = line.split()\n"
    "    try:\n"
    "        orders[words[0]](*map(int, words[1:]))\n"
    "    except Exception as e:\n"
    "        fail('refused', e)\n";

struct mq_peer {
    pid_t pid;
    bool rests;
    int fd;
    char name[64];
    char folder[256]; /* "": none */
    char line[4096];  /* the last answer, and what has come behind it */
    size_t n_line;    /* bytes read so far */
    size_t n_used;    /* of the last answer and its end */
};

/* ---- orders -------------------------------------------------------------------------------------------------------- */

/* A line into p->line, without its end; false when there is no more. */
static bool read_line(mq_peer *p)
{
    memmove(p->line, p->line + p->n_used, p->n_line - p->n_used);
    p->n_line -= p->n_used;
    p->n_used = 0;
    for (;;) {
        char *end = memchr(p->line, '\n', p->n_line);
        struct pollfd wait = { .fd = p->fd, .events = POLLIN };
        ssize_t got;

        if (end) {
            *end = '\0';
            p->n_used = (size_t)(end - p->line) + 1;
            return true;
        }
        if (p->n_line + 1 >= sizeof p->line)
            return false;
        if (poll(&wait, 1, -1) < 0) /* a signal: nobody wants to wait any more */
            return false;
        got = read(p->fd, p->line + p->n_line, sizeof p->line - 1 - p->n_line);
        if (got <= 0)
            return false;
        p->n_line += (size_t)got;
    }
}

/* ONNX Runtime's threads go on spinning for some 30 ms after a run, on the CPUs of whose turn comes next. While it is not
 * its turn the process is stopped: they spin on where they were when it goes on. */
static void rest(mq_peer *p, bool rests)
{
    if (p->rests != rests && p->pid > 0)
        kill(p->pid, rests ? SIGSTOP : SIGCONT);
    p->rests = rests;
}

/* Sends an order and reads the answer into p->line. */
static mq_status ask(mq_peer *p, const char *order, mq_error *err)
{
    const size_t n = strlen(order);

    rest(p, false);
    if (send(p->fd, order, n, MSG_NOSIGNAL) != (ssize_t)n || !read_line(p))
        return mq_fail(err, MQ_ERR_SYSTEM, "the process with ONNX Runtime has ended");
    if (strncmp(p->line, "refused ", 8) == 0)
        return mq_fail(err, MQ_ERR_INPUT, "ONNX Runtime does not run the model: %s", p->line + 8);
    return MQ_OK;
}

static mq_status ask_done(mq_peer *p, const char *order, mq_error *err)
{
    const mq_status rc = ask(p, order, err);

    if (rc == MQ_OK && strcmp(p->line, "done") != 0)
        return mq_fail(err, MQ_ERR_SYSTEM, "the process with ONNX Runtime answers '%.100s'", p->line);
    return rc;
}

static void path_of(const mq_peer *p, const char *name, char out[300])
{
    snprintf(out, 300, "%s/%s", p->folder, name);
}

/* ---- the process --------------------------------------------------------------------------------------------------- */

static mq_status spawn(mq_peer *p, const char *python, const char *model, int threads, mq_error *err)
{
    char count[32];
    char *argv[] = { (char *)python, "-c", (char *)program, (char *)model, count, p->folder, NULL };
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    int ends[2], failed;

    snprintf(count, sizeof count, "%d", threads);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "talk to", python);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&acts, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    failed = posix_spawnp(&p->pid, python, &acts, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&acts);
    posix_spawnattr_destroy(&attr);
    close(ends[1]);
    p->fd = ends[0];
    if (failed)
        p->pid = 0;
    return failed ? mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": cannot run '%s': %s; " NEXT_STEP, python, strerror(failed))
                  : MQ_OK;
}

/* Its first two lines. */
static mq_status understand(mq_peer *p, const char *python, mq_error *err)
{
    if (!read_line(p))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": '%s' ended without an answer; " NEXT_STEP, python);
    if (strncmp(p->line, "none ", 5) == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": '%s' has no onnxruntime (%.200s): '%s -m pip install "
                       "onnxruntime', or " NEXT_STEP, python, p->line + 5, python);
    if (strncmp(p->line, "has ", 4) != 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": '%s' answers '%.100s'; " NEXT_STEP, python, p->line);
    snprintf(p->name, sizeof p->name, "onnxruntime %.40s", p->line + 4);
    if (!read_line(p))
        return mq_fail(err, MQ_ERR_INPUT, "ONNX Runtime ends (it crashes?) when it loads the model");
    if (strcmp(p->line, "ready") != 0)
        return mq_fail(err, MQ_ERR_INPUT, "ONNX Runtime does not take the model: %s",
                       strncmp(p->line, "refused ", 8) == 0 ? p->line + 8 : p->line);
    return MQ_OK;
}

/* It takes models by their path: what mq unpacks by itself, it does not. */
static mq_status check_plain(const char *model, mq_error *err)
{
    unsigned char magic[2] = { 0 };
    FILE *f = fopen(model, "re");
    const bool packed = f && fread(magic, 1, 2, f) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;

    if (f)
        fclose(f);
    return packed ? mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": ONNX Runtime reads no compressed model: gunzip it first")
                  : MQ_OK;
}

mq_status mq_peer_start(mq_peer **out, const char *model, int threads, mq_error *err)
{
    const char *python = getenv("MQ_PYTHON");
    mq_peer *p = calloc(1, sizeof *p);
    mq_status rc;

    if (!p)
        return mq_oom(err);
    p->fd = -1;
    python = python && *python ? python : "python3";
    MQ_TRY(check_plain(model, err));
    MQ_TRY(mq_folder_make(p->folder, sizeof p->folder, "mq-peer", err));
    MQ_TRY(spawn(p, python, model, threads, err));
    rc = understand(p, python, err);
done:
    if (rc == MQ_OK)
        *out = p;
    else
        mq_peer_stop(p);
    return rc;
}

void mq_peer_stop(mq_peer *p)
{
    static const char *const files[] = { "in.npz", "out.npz" };
    char path[300];

    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd);
    if (p->pid > 0)
        kill(p->pid, SIGTERM); /* it may be in the middle of a run */
    rest(p, false);
    while (p->pid > 0 && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    for (size_t i = 0; *p->folder && i < sizeof files / sizeof *files; i++) {
        path_of(p, files[i], path);
        unlink(path); /* there where something failed */
    }
    if (*p->folder)
        rmdir(p->folder);
    free(p);
}

/* ---- arrays -------------------------------------------------------------------------------------------------------- */

static mq_status check_kind(const mq_value *input, const mq_array *a, mq_error *err)
{
    if (a->kind != MQ_TYPE_TENSOR)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": input '%s' is no tensor: it cannot be handed over", input->name);
    if (a->dtype != MQ_STRING && mq_npy_dtype(a->dtype) != a->dtype)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, OPTION ": input '%s' is %s, which numpy does not have", input->name,
                       mq_dtype_name(a->dtype));
    return MQ_OK;
}

mq_status mq_peer_hold(mq_peer *p, const mq_value *const *inputs, mq_array *const *in, size_t n, mq_error *err)
{
    const mq_data_call whole = { 0 };
    const char **names = calloc(n + 1, sizeof *names);
    mq_results *results = NULL;
    char path[300];
    mq_status rc = names ? MQ_OK : mq_oom(err);

    if (rc != MQ_OK)
        return rc;
    path_of(p, "in.npz", path);
    for (size_t i = 0; i < n; i++)
        names[i] = inputs[i]->name;
    MQ_TRY(mq_results_create(&results, names, n, err));
    for (size_t i = 0; i < n; i++) {
        if (!in[i])
            continue;
        MQ_TRY(check_kind(inputs[i], in[i], err));
        MQ_TRY(mq_results_add(results, i, in[i], &whole, err));
    }
    MQ_TRY(mq_results_save(results, path, true, false, err));
    rc = ask_done(p, "hold\n", err);
    unlink(path);
done:
    mq_results_free(results);
    free(names);
    return rc;
}

mq_status mq_peer_drop(mq_peer *p, mq_error *err)
{
    return ask_done(p, "drop\n", err);
}

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

mq_status mq_peer_time(mq_peer *p, size_t call, size_t n, double *ms, mq_error *err)
{
    char order[64], *at = p->line;
    mq_status rc;

    snprintf(order, sizeof order, "time %zu %zu\n", call, n);
    if ((rc = ask(p, order, err)) != MQ_OK)
        return rc;
    rest(p, true);
    for (size_t i = 0; i < n; i++) {
        char *end;

        ms[i] = strtod(at, &end) * 1e-6;
        if (end == at)
            return mq_fail(err, MQ_ERR_SYSTEM, "the process with ONNX Runtime answers '%.100s'", p->line);
        at = end;
    }
    return MQ_OK;
}

mq_status mq_peer_run(mq_peer *p, size_t call, mq_array **out, size_t n, mq_error *err)
{
    mq_table *t = NULL;
    char order[64], path[300], name[32];
    mq_status rc;

    snprintf(order, sizeof order, "run %zu\n", call);
    path_of(p, "out.npz", path);
    MQ_TRY(ask_done(p, order, err));
    rc = mq_table_npz(&t, path, err);
    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        mq_array *a = NULL;
        int column;

        snprintf(name, sizeof name, "%zu", i);
        column = mq_table_find(t, name);
        if (column >= 0 && (rc = mq_table_whole(t, (size_t)column, &a, err)) == MQ_OK)
            out[i] = mq_array_ref(a);
    }
    unlink(path);
done:
    mq_table_free(t);
    return rc;
}

const char *mq_peer_name(const mq_peer *p)
{
    return p->name;
}

double mq_peer_cpu_seconds(const mq_peer *p)
{
    unsigned long user = 0, sys = 0;
    char path[64], line[1024], *end;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    if (!(f = fopen(path, "re")))
        return 0;
    /* behind the name, which may hold anything: state and ten more numbers, then the two */
    if (fgets(line, sizeof line, f) && (end = strrchr(line, ')')) &&
        sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
        user = sys = 0;
    fclose(f);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}
