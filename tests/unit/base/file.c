/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/file.c: what a reader of the target sees at every end that writing can have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "scratch.h"

/* Each test works in an empty folder. */
static int setup(void **state)
{
    return scratch_open(state);
}

static int teardown(void **state)
{
    return scratch_close(state);
}

static mq_outfile *opened(const char *path, bool force, const char *text)
{
    mq_outfile *f = NULL;

    assert_int_equal(mq_outfile_open(&f, path, force, NULL), MQ_OK);
    assert_int_equal(mq_outfile_write(f, text, strlen(text), NULL), MQ_OK);
    return f;
}

static void test_commit(void **state)
{
    mq_outfile *f = opened("out", false, "new");

    (void)state;
    assert_int_equal(mq_outfile_pos(f), 3);
    assert_string_equal(mq_outfile_path(f), "out");
    assert_int_equal(access("out", F_OK), -1); /* not before the commit */
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    scratch_has("out", "new");
    assert_int_equal(scratch_count("."), 1);
}

static void test_commit_with_sync(void **state)
{
    (void)state;
    assert_int_equal(mq_outfile_commit(opened("out", false, "new"), true, NULL), MQ_OK);
    scratch_has("out", "new");
}

static void test_abort_leaves_nothing(void **state)
{
    (void)state;
    mq_outfile_abort(opened("out", false, "new"));
    assert_int_equal(scratch_count("."), 0);
    mq_outfile_abort(NULL);
}

static void test_existing_target_needs_force(void **state)
{
    mq_error err = { 0 };
    mq_outfile *f = NULL;

    (void)state;
    scratch_put_text("out", "old");
    assert_int_equal(mq_outfile_open(&f, "out", false, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'out' exists (-f replaces it)");
    assert_null(f);
    f = opened("out", true, "new");
    scratch_has("out", "old"); /* until it is committed */
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    scratch_has("out", "new");
    mq_outfile_abort(opened("out", true, "third"));
    scratch_has("out", "new");
    assert_int_equal(scratch_count("."), 1);
}

static void test_trying_changes_nothing(void **state)
{
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_outfile_try("out", false, NULL), MQ_OK);
    assert_int_equal(scratch_count("."), 0);
    scratch_put_text("out", "old");
    assert_int_equal(mq_outfile_try("out", false, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'out' exists (-f replaces it)");
    assert_int_equal(mq_outfile_try("out", true, NULL), MQ_OK);
    assert_int_equal(mq_outfile_try("missing/out", true, NULL), MQ_ERR_SYSTEM);
    scratch_has("out", "old");
    assert_int_equal(scratch_count("."), 1);
}

/* A new file has what the umask leaves; a replaced one keeps what it had, whatever the umask. */
static void test_permissions(void **state)
{
    static const mode_t modes[] = { 0600, 0640, 0644, 0664, 0666, 0755, 0777, 0400 };
    mode_t mask = umask(022);
    struct stat st;

    (void)state;
    assert_int_equal(mq_outfile_commit(opened("fresh", false, "x"), false, NULL), MQ_OK);
    assert_int_equal(stat("fresh", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod("fresh", modes[i]), 0);
        assert_int_equal(mq_outfile_commit(opened("fresh", true, "x"), false, NULL), MQ_OK);
        assert_int_equal(stat("fresh", &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
    }
    umask(mask);
}

/* A link stays a link: the file that it names is replaced, beside itself. */
static void test_symlink_target(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(mkdir("real", 0755), 0);
    scratch_put_text("real/model", "old");
    assert_int_equal(symlink("real/model", "link"), 0);
    assert_int_equal(symlink("link", "link2"), 0);
    assert_int_equal(mq_outfile_commit(opened("link2", true, "new"), false, NULL), MQ_OK);
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    scratch_has("real/model", "new");
    assert_int_equal(scratch_count("real"), 1);
}

/* A link to nothing is replaced by a file. */
static void test_dangling_symlink(void **state)
{
    (void)state;
    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_int_equal(mq_outfile_commit(opened("link", false, "new"), false, NULL), MQ_OK);
    scratch_has("link", "new");
}

static void cannot_open(const char *path, mq_status status, const char *text)
{
    mq_error err = { 0 };
    mq_outfile *f = NULL;

    assert_int_equal(mq_outfile_open(&f, path, true, &err), status);
    assert_string_equal(err.text, text);
    assert_null(f);
}

static void test_targets_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0755), 0);
    cannot_open("folder", MQ_ERR_SYSTEM, "cannot write 'folder': it is a folder");
    cannot_open("missing/out", MQ_ERR_SYSTEM, "cannot write 'missing/out': No such file or directory");
    cannot_open("", MQ_ERR_USAGE, "the output has an empty name");
    scratch_put_text("plain", "x");
    cannot_open("plain/out", MQ_ERR_SYSTEM, "cannot write 'plain/out': Not a directory");
}

static void test_read_only_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir("locked", 0555), 0);
    if (access("locked", W_OK) == 0)
        skip(); /* root writes everywhere */
    cannot_open("locked/out", MQ_ERR_SYSTEM, "cannot write 'locked/out': Permission denied");
}

static void test_device_and_pipe(void **state)
{
    mq_outfile *f = opened("/dev/null", false, "gone");
    char got[8] = "";
    int fd;

    (void)state;
    assert_int_equal(mq_outfile_commit(f, true, NULL), MQ_OK);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    fd = open("fifo", O_RDWR);
    f = opened("fifo", false, "through");
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    assert_int_equal(read(fd, got, 7), 7);
    assert_string_equal(got, "through");
    close(fd);
    assert_int_equal(scratch_count("."), 1);
}

static void test_full_device(void **state)
{
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_outfile_commit(opened("/dev/full", false, "text"), false, &err), MQ_ERR_SYSTEM);
    assert_string_equal(err.text, "cannot write '/dev/full': No space left on device");
}

static void test_standard_output(void **state)
{
    int keep = dup(STDOUT_FILENO), fd = open("caught", O_RDWR | O_CREAT, 0600);
    mq_status rc;

    (void)state;
    dup2(fd, STDOUT_FILENO);
    rc = mq_outfile_commit(opened("-", false, "piped"), false, NULL);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    close(fd);
    assert_int_equal(rc, MQ_OK);
    scratch_has("caught", "piped");
    assert_int_equal(scratch_count("."), 1);
}

static void test_write_at_reserve_and_copy(void **state)
{
    mq_outfile *f = opened("out", false, "head");
    int fd;

    (void)state;
    scratch_put_text("source", "0123456789");
    fd = open("source", O_RDONLY);
    assert_int_equal(mq_outfile_reserve(f, 4, NULL), MQ_OK);
    assert_int_equal(mq_outfile_reserve(f, 0, NULL), MQ_OK);
    assert_int_equal(mq_outfile_pos(f), 8);
    assert_int_equal(mq_outfile_copy(f, fd, 3, 5, NULL), MQ_OK);
    assert_int_equal(mq_outfile_copy(f, fd, 0, 0, NULL), MQ_OK);
    assert_int_equal(mq_outfile_write_at(f, 6, "lt", 2, NULL), MQ_OK);
    assert_int_equal(mq_outfile_write_at(f, 4, "mi", 2, NULL), MQ_OK);
    assert_int_equal(mq_outfile_pos(f), 13);
    assert_int_equal(mq_outfile_write(f, "!", 1, NULL), MQ_OK);
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    scratch_has("out", "headmilt34567!");
    close(fd);
}

static void test_copy_from_a_shorter_file(void **state)
{
    mq_outfile *f = opened("out", false, "");
    mq_error err = { 0 };
    int fd;

    (void)state;
    scratch_put_text("source", "0123");
    fd = open("source", O_RDONLY);
    assert_int_equal(mq_outfile_copy(f, fd, 2, 5, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "became shorter"));
    mq_outfile_abort(f);
    close(fd);
    assert_int_equal(scratch_count("."), 1);
}

/* copy_file_range does not take a device; the copy by hand does. */
static void test_copy_by_hand(void **state)
{
    static char big[3 << 20];
    mq_outfile *f = opened("out", false, "");
    char *got;
    size_t n;
    int fd = open("/dev/zero", O_RDONLY);

    (void)state;
    memset(big, 7, sizeof big);
    assert_int_equal(mq_outfile_copy(f, fd, 0, sizeof big, NULL), MQ_OK);
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    got = scratch_get("out", &n);
    assert_int_equal(n, sizeof big);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], 0);
    free(got);
    close(fd);
}

static void test_scratch_file(void **state)
{
    mq_outfile *f = NULL;
    char got[4];

    (void)state;
    assert_int_equal(mq_outfile_scratch(&f, NULL), MQ_OK);
    assert_int_equal(mq_outfile_write(f, "abcd", 4, NULL), MQ_OK);
    assert_int_equal(pread(mq_outfile_fd(f), got, 4, 0), 4);
    assert_memory_equal(got, "abcd", 4);
    mq_outfile_abort(f);
    assert_int_equal(scratch_count("."), 0);
}

static void test_pair(void **state)
{
    mq_outfile *data[2];

    (void)state;
    scratch_put_text("model", "old model");
    scratch_put_text("data0", "old data");
    data[0] = opened("data0", true, "new data 0");
    data[1] = opened("data1", true, "new data 1");
    assert_int_equal(mq_outfile_commit_with(opened("model", true, "new model"), data, 2, true, NULL), MQ_OK);
    scratch_has("model", "new model");
    scratch_has("data0", "new data 0");
    scratch_has("data1", "new data 1");
    assert_int_equal(scratch_count("."), 3);
}

/* The folder of the model vanishes before the commit: nothing of the pair is put in place, and the old data stay. */
static void test_pair_model_folder_gone(void **state)
{
    mq_outfile *data, *model;
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mkdir("folder", 0755), 0);
    scratch_put_text("data", "old data");
    data = opened("data", true, "new data");
    model = opened("folder/model", true, "new model");
    assert_int_equal(rmdir("folder"), 0);
    assert_int_equal(mq_outfile_commit_with(model, &data, 1, false, &err), MQ_ERR_SYSTEM);
    assert_non_null(strstr(err.text, "folder/model"));
    scratch_has("data", "old data");
    assert_int_equal(scratch_count("."), 1);
}

/* The data cannot be put in place (a folder has taken their name): the old model is back. */
static void test_pair_data_blocked(void **state)
{
    mq_outfile *data, *model;
    mq_error err = { 0 };

    (void)state;
    scratch_put_text("model", "old model");
    data = opened("data", true, "new data");
    model = opened("model", true, "new model");
    assert_int_equal(mkdir("data", 0755), 0);
    assert_int_equal(mq_outfile_commit_with(model, &data, 1, false, &err), MQ_ERR_SYSTEM);
    scratch_has("model", "old model");
    assert_int_equal(scratch_count("."), 2);
    assert_int_equal(scratch_count("data"), 0);
}

/* A folder has taken the model's name: that is found out before the data change. */
static void test_pair_model_blocked(void **state)
{
    mq_outfile *data, *model;

    (void)state;
    scratch_put_text("data", "old data");
    data = opened("data", true, "new data");
    model = opened("model", true, "new model");
    assert_int_equal(mkdir("model", 0755), 0);
    scratch_put_text("model/inside", "x");
    assert_int_equal(mq_outfile_commit_with(model, &data, 1, false, NULL), MQ_ERR_SYSTEM);
    scratch_has("model/inside", "x");
    scratch_has("data", "old data");
    assert_int_equal(scratch_count("."), 2);
}

static void test_put(void **state)
{
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_file_put("small", "one", 3, NULL), MQ_OK);
    assert_int_equal(mq_file_put("small", "two", 3, NULL), MQ_OK);
    scratch_has("small", "two");
    assert_int_equal(mq_file_put("missing/small", "x", 1, &err), MQ_ERR_SYSTEM);
    assert_int_equal(scratch_count("."), 1);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_commit),
        IN_SCRATCH(test_commit_with_sync),
        IN_SCRATCH(test_abort_leaves_nothing),
        IN_SCRATCH(test_existing_target_needs_force),
        IN_SCRATCH(test_trying_changes_nothing),
        IN_SCRATCH(test_permissions),
        IN_SCRATCH(test_symlink_target),
        IN_SCRATCH(test_dangling_symlink),
        IN_SCRATCH(test_targets_that_cannot_be),
        IN_SCRATCH(test_read_only_folder),
        IN_SCRATCH(test_device_and_pipe),
        IN_SCRATCH(test_full_device),
        IN_SCRATCH(test_standard_output),
        IN_SCRATCH(test_write_at_reserve_and_copy),
        IN_SCRATCH(test_copy_from_a_shorter_file),
        IN_SCRATCH(test_copy_by_hand),
        IN_SCRATCH(test_scratch_file),
        IN_SCRATCH(test_pair),
        IN_SCRATCH(test_pair_model_folder_gone),
        IN_SCRATCH(test_pair_data_blocked),
        IN_SCRATCH(test_pair_model_blocked),
        IN_SCRATCH(test_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
