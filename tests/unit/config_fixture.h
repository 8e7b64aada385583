/* For the tests of the configuration: a temporary folder with plugins and pages, which is the current one
 * while a test runs, and files written into it.
 *
 * Texts that are compared with have FOLDER in the place of the temporary folder's name.
 */
#ifndef DBACK_TESTS_UNIT_CONFIG_FIXTURE_H
#define DBACK_TESTS_UNIT_CONFIG_FIXTURE_H

#ifndef _GNU_SOURCE
#endif

#include "config/reader.h"

#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* libconfig 1.5 leaks the string that it was reading when it meets a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

struct fixture {
    char folder[PATH_MAX];
    struct config_paths paths; /* of a binary that finds its plugins in FOLDER/plugins */
};

static inline void write_bytes(const char *name, const char *bytes, size_t len)
{
    unlink(name); /* writing over a file makes some file systems flush it: slow, a thousand times */
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static inline int fixture_setup(void **state)
{
    static const char *const variables[] = { "D_BACK_CONFIG", "D_BACK_HOST", "D_BACK_PORT",
                                             "D_BACK_STATIC_DIR" };
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char folder[] = "/tmp/d-back-test-config-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0 || !getcwd(fixture->folder, sizeof fixture->folder))
        return -1;
    mkdir("plugins", 0700);
    mkdir("plugins/empty", 0700);
    mkdir("page", 0700);
    write_text("plugins/mock.so", "");
    write_text("plugins/team.so", "");
    fixture->paths =
        (struct config_paths){ path_join(fixture->folder, "plugins"), xstrdup("/the/built-in/page"), NULL };
    for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
        unsetenv(variables[i]);
    *state = fixture;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status, (void)flag, (void)ftw;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    int result = nftw(fixture->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    config_paths_finish(&fixture->paths);
    free(fixture);
    return result;
}

/* A NUL-terminated copy with FOLDER for the folder's name. */
static inline char *fixture_shown(const struct fixture *fixture, const struct text_buffer *text)
{
    struct text_buffer out = { 0 };
    size_t len = strlen(fixture->folder);
    for (size_t i = 0; i < text->len;) {
        if (text->len - i >= len && memcmp(text->ptr + i, fixture->folder, len) == 0) {
            text_append_literal(&out, "FOLDER");
            i += len;
        } else {
            text_append(&out, &text->ptr[i++], 1);
        }
    }
    text_append(&out, "", 1);
    return out.ptr;
}

/* Reads with these overrides; the configuration, or NULL and the mistakes in `shown` (caller frees). */
static inline struct config *fixture_load(const struct fixture *fixture,
                                          const struct config_overrides *overrides, char **shown)
{
    struct config *config = NULL;
    struct text_buffer mistakes = { 0 };
    int result = config_load_from(&config, overrides, &fixture->paths, &mistakes);
    assert_int_equal(result, config ? 0 : -EINVAL);
    assert_int_equal(mistakes.len == 0, config != NULL);
    *shown = fixture_shown(fixture, &mistakes);
    text_finish(&mistakes);
    return config;
}

/* Writes d-back.cfg, which must be right. */
static inline struct config *load_text(const struct fixture *fixture, const char *text)
{
    char *shown;
    write_text("d-back.cfg", text);
    struct config *config = fixture_load(fixture, &(struct config_overrides){ .file = "d-back.cfg" }, &shown);
    assert_string_equal(shown, "");
    free(shown);
    return config;
}

/* Writes d-back.cfg, which must have just these mistakes. */
static inline void assert_mistakes(const struct fixture *fixture, const char *text, const char *mistakes)
{
    char *shown;
    write_text("d-back.cfg", text);
    struct config *config = fixture_load(fixture, &(struct config_overrides){ .file = "d-back.cfg" }, &shown);
    assert_string_equal(shown, mistakes);
    assert_null(config);
    free(shown);
}

/* A whole file, NUL-terminated. */
static inline char *read_whole(const char *name)
{
    struct text_buffer out = { 0 };
    char block[4096];
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        text_append(&out, block, n);
    fclose(file);
    text_append(&out, "", 1);
    return out.ptr;
}

#endif
