/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX Runtime in a Python process: a short program handed over on the command line, inputs in .npz files of a temporary
 * folder (removed as soon as they have been read), orders and times as lines on a socket. Nothing is sent anywhere else. */
#include "api/bench_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Arguments: model, folder of inputs, how many, threads. Says "ready VERSION", "none WHY" or "refused WHY"; then answers
 * "CALL COUNT" with as many nanoseconds. */
static const char program[] =
    "import gc, sys, time\n"
    "def fail(word, why):\n"
    "    print(word, ' '.join(str(why).split())[:600], flush=True)\n"
    "    sys.exit(1)\n"
    "try:\n"
    "    import numpy, onnxruntime\n"
    "except Exception as e:\n"
    "    fail('none', e)\n"
    "try:\n"
    "    options = onnxruntime.SessionOptions()\n"
    "    options.intra_op_num_threads = int(sys.argv[4])\n"
    "    options.inter_op_num_threads = 1\n"
    "    options.log_severity_level = 3\n"
    "    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=['CPUExecutionProvider'])\n"
    "    wanted = [i.name for i in session.get_inputs()]\n"
    "    feeds = []\n"
    "    for i in range(int(sys.argv[3])):\n"
    "        with numpy.load('%s/%d.npz' % (sys.argv[2], i)) as data:\n"
    "            feeds.append({name: data[name] for name in wanted if name in data})\n"
    "except Exception as e:\n"
    "    fail('refused', e)\n"
    "print('ready', onnxruntime.__version__, flush=True)\n"
    "gc.disable()\n"
    "for line in sys.stdin:\n"
    "    call, count = map(int, line.split())\n"
    "    times = []\n"
    "    try:\n"
    "        for _ in range(count):\n"
    "            start = time.perf_counter_ns()\n"
    "            session.run(None, feeds[call])\n"
    "            times.append(time.perf_counter_ns() - start)\n"
    "    except Exception as e:\n"
    "        fail('refused', e)\n"
    "    print(*times, flush=True)\n";

struct mq_peer {
    pid_t pid;
    int fd;
    char name[64];
    char line[4096]; /* the last answer */
    size_t n_line;   /* bytes read so far */
};

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

static mq_status write_call(const mq_bench_entry *e, size_t call, const char *folder, mq_error *err)
{
    const mq_data_call whole = { 0 };
    const char **names = calloc(e->run.n_in + 1, sizeof *names);
    mq_results *results = NULL;
    char path[512];
    mq_status rc = names ? MQ_OK : mq_oom(err);

    if (rc != MQ_OK)
        return rc;
    for (size_t i = 0; i < e->run.n_in; i++)
        names[i] = e->run.inputs[i]->name;
    MQ_TRY(mq_results_create(&results, names, e->run.n_in, err));
    for (size_t i = 0; i < e->run.n_in; i++)
        if (e->calls[call][i])
            MQ_TRY(mq_results_add(results, i, e->calls[call][i], &whole, err));
    snprintf(path, sizeof path, "%s/%zu.npz", folder, call);
    rc = mq_results_save(results, path, true, false, err);
done:
    mq_results_free(results);
    free(names);
    return rc;
}

static void remove_calls(size_t n, const char *folder)
{
    char path[512];

    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%zu.npz", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

/* ---- the process --------------------------------------------------------------------------------------------------- */

static mq_status spawn(mq_peer *p, const char *python, const char *model, const char *folder, size_t n_calls, int threads,
                       mq_error *err)
{
    char calls[32], count[32];
    char *argv[] = { (char *)python, "-c", (char *)program, (char *)model, (char *)folder, calls, count, NULL };
    posix_spawn_file_actions_t acts;
    int ends[2], failed;

    snprintf(calls, sizeof calls, "%zu", n_calls);
    snprintf(count, sizeof count, "%d", threads);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "talk to", python);
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&acts, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    failed = posix_spawnp(&p->pid, python, &acts, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&acts);
    close(ends[1]);
    p->fd = ends[0];
    if (failed)
        p->pid = 0;
    return failed ? mq_fail(err, MQ_ERR_UNSUPPORTED,
                            "--with-onnxruntime: cannot run '%s': %s; MQ_PYTHON names a Python that has "
                            "onnxruntime", python, strerror(failed))
                  : MQ_OK;
}

/* A line into p->line, without its end; false when there is no more. */
static bool read_line(mq_peer *p)
{
    p->n_line = 0;
    while (p->n_line + 1 < sizeof p->line) {
        ssize_t got = read(p->fd, p->line + p->n_line, sizeof p->line - 1 - p->n_line);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p->n_line += (size_t)got;
        p->line[p->n_line] = '\0';
        if (p->line[p->n_line - 1] == '\n') { /* it answers one line at a time */
            p->line[p->n_line - 1] = '\0';
            return true;
        }
    }
    return false;
}

static mq_status understand(mq_peer *p, const char *python, mq_error *err)
{
    if (!read_line(p))
        return mq_fail(err, MQ_ERR_UNSUPPORTED,
                       "--with-onnxruntime: '%s' ended without an answer; MQ_PYTHON names a Python that has "
                       "onnxruntime", python);
    if (strncmp(p->line, "none ", 5) == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED,
                       "--with-onnxruntime: '%s' has no onnxruntime (%.200s): '%s -m pip install onnxruntime', "
                       "or MQ_PYTHON names a Python that has it", python, p->line + 5, python);
    if (strncmp(p->line, "ready ", 6) != 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "ONNX Runtime does not take the model: %s",
                       strncmp(p->line, "refused ", 8) == 0 ? p->line + 8 : p->line);
    snprintf(p->name, sizeof p->name, "onnxruntime %.40s", p->line + 6);
    return MQ_OK;
}

mq_status mq_peer_start(mq_peer **out, const mq_bench_entry *e, int threads, mq_error *err)
{
    const char *python = getenv("MQ_PYTHON"), *tmp = getenv("TMPDIR");
    mq_peer *p = calloc(1, sizeof *p);
    char folder[256] = "";
    mq_status rc;

    if (!p)
        return mq_oom(err);
    p->fd = -1;
    python = python && *python ? python : "python3";
    snprintf(folder, sizeof folder, "%.200s/mq-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) {
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "make the folder", folder);
        *folder = '\0';
        goto done;
    }
    for (size_t i = 0; i < e->n_calls; i++)
        MQ_TRY(write_call(e, i, folder, err));
    MQ_TRY(spawn(p, python, e->path, folder, e->n_calls, threads, err));
    rc = understand(p, python, err);
done:
    if (*folder)
        remove_calls(e->n_calls, folder);
    if (rc == MQ_OK)
        *out = p;
    else
        mq_peer_stop(p);
    return rc;
}

void mq_peer_stop(mq_peer *p)
{
    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd); /* it reads the end of its orders and ends */
    if (p->pid > 0)
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            kill(p->pid, SIGTERM);
    free(p);
}

mq_status mq_peer_run(mq_peer *p, size_t call, size_t n, double *ms, mq_error *err)
{
    char order[64], *at = p->line;
    const int len = snprintf(order, sizeof order, "%zu %zu\n", call, n);

    if (send(p->fd, order, (size_t)len, MSG_NOSIGNAL) != len || !read_line(p))
        return mq_fail(err, MQ_ERR_SYSTEM, "the process with ONNX Runtime has ended");
    if (strncmp(p->line, "refused ", 8) == 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "ONNX Runtime does not run the model: %s", p->line + 8);
    for (size_t i = 0; i < n; i++) {
        char *end;

        ms[i] = strtod(at, &end) * 1e-6;
        if (end == at)
            return mq_fail(err, MQ_ERR_SYSTEM, "the process with ONNX Runtime answers '%.100s'", p->line);
        at = end;
    }
    return MQ_OK;
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
