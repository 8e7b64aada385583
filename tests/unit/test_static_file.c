/* Files below a folder: what is found, and above all what never is. The tree has a secret beside the folder
 * that is served, and every trick tries to read it. */
#include "testing.h"

#include "edge/content_type.h"
#include "edge/http_text.h"
#include "edge/static_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECRET "the secret"

struct tree {
    char top[64]; /* .../site is served; .../secret.txt and .../site-private/secret.txt are beside it */
    int root;
};

static void path_in(const struct tree *tree, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", tree->top, name);
}

static void put_folder(const struct tree *tree, const char *name)
{
    char path[256];
    path_in(tree, name, path);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_file(const struct tree *tree, const char *name, const char *content)
{
    char path[256];
    path_in(tree, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, strlen(content), f), strlen(content));
    assert_int_equal(fclose(f), 0);
}

static void put_link(const struct tree *tree, const char *name, const char *target)
{
    char path[256];
    path_in(tree, name, path);
    assert_int_equal(symlink(target, path), 0);
}

static int make_tree(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);
    snprintf(tree->top, sizeof tree->top, "/tmp/dback-static-XXXXXX");
    assert_non_null(mkdtemp(tree->top));
    put_folder(tree, "site");
    put_folder(tree, "site/a");
    put_folder(tree, "site/a/b");
    put_folder(tree, "site/empty");
    put_folder(tree, "site/.git");
    put_folder(tree, "site/.well-known");
    put_folder(tree, "site-private");
    put_file(tree, "secret.txt", SECRET);
    put_file(tree, "site-private/secret.txt", SECRET);
    put_file(tree, "site/.git/config", SECRET);
    put_file(tree, "site/.htpasswd", SECRET);
    put_file(tree, "site/index.html", "index");
    put_file(tree, "site/app.js", "script");
    put_file(tree, "site/a/index.html", "index of a");
    put_file(tree, "site/a/b/deep.css", "deep");
    put_file(tree, "site/with space.txt", "space");
    put_file(tree, "site/\xc3\xa4.txt", "umlaut");
    put_file(tree, "site/..dots.txt", SECRET);
    put_file(tree, "site/.well-known/security.txt", "contact");
    put_file(tree, "site/back\\slash.txt", SECRET);
    put_file(tree, "site/\xff.txt", SECRET);
    put_link(tree, "site/inside.js", "app.js");
    put_link(tree, "site/a/up.js", "../app.js");
    put_link(tree, "site/folder-link", "a");
    put_link(tree, "site/absolute.txt", "/etc/passwd");
    put_link(tree, "site/out.txt", "../secret.txt");
    put_link(tree, "site/out", "..");
    put_link(tree, "site/sibling", "../site-private");
    put_link(tree, "site/around.js", "../site/app.js"); /* leaves the folder on its way */
    put_link(tree, "site/loop", "loop");
    put_link(tree, "site/dangling", "nothing");
    put_link(tree, "site/magic", "/proc/self/root/etc/passwd");
    char path[256];
    path_in(tree, "site/fifo", path);
    assert_int_equal(mkfifo(path, 0644), 0);
    path_in(tree, "site", path);
    tree->root = static_root_open(path);
    assert_true(tree->root >= 0);
    *state = tree;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static int remove_tree(void **state)
{
    struct tree *tree = *state;
    close(tree->root);
    assert_int_equal(nftw(tree->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(tree);
    return 0;
}

static void assert_content(int fd, const char *content)
{
    char bytes[64] = { 0 };
    assert_true(read(fd, bytes, sizeof bytes - 1) >= 0);
    assert_string_equal(bytes, content);
}

static void found(const struct tree *tree, const char *path, const char *content, const char *type)
{
    struct static_file file;
    int result = static_file_open(&file, tree->root, str_of(path));
    if (result < 0)
        print_message("not found: %s\n", path);
    assert_int_equal(result, 0);
    assert_int_equal(file.size, strlen(content));
    assert_true(file.modified.tv_sec > 0);
    assert_true(str_equal(file.content_type, str_of(type)));
    assert_content(file.fd, content);
    assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
    static_file_close(&file);
    assert_int_equal(file.fd, -1);
}

static void absent_bytes(const struct tree *tree, struct str path)
{
    struct static_file file;
    int result = static_file_open(&file, tree->root, path);
    if (result != -ENOENT)
        print_message("%d for %.*s\n", result, (int)path.len, path.ptr ? path.ptr : "");
    assert_int_equal(result, -ENOENT);
    assert_int_equal(file.fd, -1);
    static_file_close(&file);
}

static void absent(const struct tree *tree, const char *path)
{
    absent_bytes(tree, str_of(path));
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* ---------------------------------------------------------------- what is there ------------------------ */

static void test_files_are_found(void **state)
{
    const struct tree *tree = *state;
    found(tree, "/", "index", "text/html; charset=utf-8");
    found(tree, "/index.html", "index", "text/html; charset=utf-8");
    found(tree, "/app.js", "script", "text/javascript; charset=utf-8");
    found(tree, "/a/", "index of a", "text/html; charset=utf-8");
    found(tree, "/a/b/deep.css", "deep", "text/css; charset=utf-8");
    found(tree, "/with space.txt", "space", "text/plain; charset=utf-8");
    found(tree, "/\xc3\xa4.txt", "umlaut", "text/plain; charset=utf-8");
    found(tree, "/.well-known/security.txt", "contact", "text/plain; charset=utf-8");
}

static void test_links_within_are_followed(void **state)
{
    const struct tree *tree = *state;
    if (syscall(SYS_openat2, -1, "", NULL, 0) < 0 && (errno == ENOSYS || errno == EPERM))
        skip(); /* an old kernel, or valgrind */
    found(tree, "/inside.js", "script", "text/javascript; charset=utf-8");
    found(tree, "/a/up.js", "script", "text/javascript; charset=utf-8");
    found(tree, "/folder-link/b/deep.css", "deep", "text/css; charset=utf-8");
    found(tree, "/folder-link/", "index of a", "text/html; charset=utf-8");
}

static void test_what_is_no_file_is_absent(void **state)
{
    const struct tree *tree = *state;
    size_t before = open_descriptors();
    absent(tree, "/nothing");
    absent(tree, "/a"); /* a folder without its slash */
    absent(tree, "/a/b/");
    absent(tree, "/empty/");
    absent(tree, "/app.js/");
    absent(tree, "/app.js/x");
    absent(tree, "/fifo");
    absent(tree, "/dangling");
    absent(tree, "/loop");
    absent(tree, "");
    absent(tree, "app.js");
    assert_int_equal(open_descriptors(), before);
}

static void test_unreadable_files_are_absent(void **state)
{
    const struct tree *tree = *state;
    char path[256];
    put_file(tree, "site/locked.txt", SECRET);
    path_in(tree, "site/locked.txt", path);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() == 0) /* root reads everything */
        found(tree, "/locked.txt", SECRET, "text/plain; charset=utf-8");
    else
        absent(tree, "/locked.txt");
}

static void test_a_machine_at_its_limits_says_so(void **state)
{
    const struct tree *tree = *state;
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){ 0, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct static_file file, named;
    int result = static_file_open(&file, tree->root, STR("/app.js"));
    int named_result = static_file_open_named(&named, STR("/etc/passwd"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(result, -EMFILE);
    assert_int_equal(named_result, -EMFILE);
    assert_int_equal(file.fd, -1);
}

/* ---------------------------------------------------------------- tricks ------------------------------- */

static const char *const tricks[] = {
    "/../secret.txt",
    "/a/../../secret.txt",
    "/a/../app.js",
    "/..",
    "/../",
    "/.",
    "/./app.js",
    "/a/..",
    "//app.js",
    "//etc/passwd",
    "///etc/passwd",
    "/a//b/deep.css",
    "/a//",
    "//",
    "/../site-private/secret.txt",
    "-private/secret.txt",
    "/../site/app.js",
    "/..\\secret.txt",
    "/a\\..\\..\\secret.txt",
    "/back\\slash.txt",
    "/\xff.txt",
    "/out.txt",
    "/out/secret.txt",
    "/out/site-private/secret.txt",
    "/sibling/secret.txt",
    "/around.js",
    "/absolute.txt",
    "/magic",
    "/.git/config",
    "/.htpasswd",
    "/..dots.txt",
    "/.well-known/../.htpasswd",
    "/.well-known.txt",
    "/a/.well-known/../../../secret.txt",
    "/app.js\n",
    "/app.js\x7f",
    "/\x01",
    "/\xff\xfe",
    "/\xc0\xae\xc0\xae/secret.txt", /* ".." in overlong UTF-8 */
    "/etc/passwd",
    "/proc/self/environ",
};

static void test_tricks_reach_nothing(void **state)
{
    const struct tree *tree = *state;
    size_t before = open_descriptors();
    for (size_t i = 0; i < ARRAY_LENGTH(tricks); i++)
        absent(tree, tricks[i]);
    absent_bytes(tree, (struct str){ "/app.js\0.html", 13 });
    absent_bytes(tree, (struct str){ NULL, 0 });
    char path[256];
    path_in(tree, "secret.txt", path);
    absent(tree, path);
    assert_int_equal(open_descriptors(), before);
}

/* As they would be written in a request. */
static void test_encoded_tricks_reach_nothing(void **state)
{
    const struct tree *tree = *state;
    static const char *const encoded[] = { "/%2e%2e/secret.txt",
                                           "/%2E%2E%2Fsecret.txt",
                                           "/..%2fsecret.txt",
                                           "/a/%2e%2e/%2e./secret.txt",
                                           "/%2fetc/passwd",
                                           "/%5c..%5csecret.txt",
                                           "/%2e/app.js",
                                           "/%2egit/config",
                                           "/%252e%252e/secret.txt",
                                           "/%c0%ae%c0%ae/secret.txt",
                                           "/app.js%0a",
                                           "/%2e%2e%2fsite-private/secret.txt" };
    for (size_t i = 0; i < ARRAY_LENGTH(encoded); i++) {
        struct text_buffer path = { 0 };
        assert_true(path_decode(str_of(encoded[i]), &path));
        absent_bytes(tree, (struct str){ path.ptr, path.len });
        text_finish(&path);
    }
}

static void test_long_paths(void **state)
{
    const struct tree *tree = *state;
    static char path[STATIC_PATH_MAX + 2];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    absent_bytes(tree, (struct str){ path, STATIC_PATH_MAX + 1 });
    absent_bytes(tree, (struct str){ path, STATIC_PATH_MAX }); /* a name that is too long for any file */
    for (size_t i = 0; i < sizeof path; i += 2)
        path[i] = '/', path[i + 1] = 'x';
    absent_bytes(tree, (struct str){ path, STATIC_PATH_MAX });
    path[STATIC_PATH_MAX - 1] = '/';
    path[STATIC_PATH_MAX - 2] = 'x';
    absent_bytes(tree, (struct str){ path, STATIC_PATH_MAX });
}

/* Made of the pieces that tricks are made of. Whatever opens is a file that is meant to be served. */
static void test_random_paths_stay_within(void **state)
{
    const struct tree *tree = *state;
    static const char *const pieces[] = { "/",        "/",           "..",  ".",          "a",
                                          "b",        "app.js",      "out", "out.txt",    "secret.txt",
                                          "sibling",  "folder-link", "\\",  "index.html", "-private",
                                          "deep.css", "site",        "%2e", "\x01",       ".git",
                                          "inside.js" };
    struct dice dice = dice_create(5);
    unsigned opened = 0;
    for (int round = 0; round < 20000; round++) {
        char path[256] = "/";
        for (unsigned n = 1 + dice_below(&dice, 6); n > 0; n--)
            strcat(path, pieces[dice_below(&dice, ARRAY_LENGTH(pieces))]);
        struct static_file file;
        if (static_file_open(&file, tree->root, str_of(path)) == 0) {
            char bytes[64] = { 0 };
            assert_true(read(file.fd, bytes, sizeof bytes - 1) > 0);
            assert_string_not_equal(bytes, SECRET);
            assert_null(strstr(path, ".."));
            opened++;
        }
        static_file_close(&file);
    }
    assert_true(opened > 10);
}

/* ---------------------------------------------------------------- renamed meanwhile --------------------- */

struct swapper {
    char link[256], spare[256];
    bool stop; /* atomic */
};

/* A folder that is a link to the secret at every other moment. */
static void *keep_swapping(void *arg)
{
    struct swapper *s = arg;
    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
        if (renameat2(AT_FDCWD, s->link, AT_FDCWD, s->spare, RENAME_EXCHANGE) < 0)
            break;
    return NULL;
}

static void test_a_race_with_renames_is_lost_by_the_trickster(void **state)
{
    const struct tree *tree = *state;
    put_folder(tree, "site/moving");
    put_file(tree, "site/moving/secret.txt", "harmless");
    put_link(tree, "site/trap", "../site-private");
    struct swapper swapper = { .stop = false };
    path_in(tree, "site/moving", swapper.link);
    path_in(tree, "site/trap", swapper.spare);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_swapping, &swapper), 0);
    for (int i = 0; i < 3000; i++) {
        struct static_file file;
        if (static_file_open(&file, tree->root, STR("/moving/secret.txt")) == 0)
            assert_content(file.fd, "harmless");
        static_file_close(&file);
        int fd = static_file_open_by_component(tree->root, "moving/secret.txt");
        if (fd >= 0) {
            assert_content(fd, "harmless");
            close(fd);
        }
    }
    __atomic_store_n(&swapper.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}

/* ---------------------------------------------------------------- without openat2 ----------------------- */

static void test_component_by_component(void **state)
{
    const struct tree *tree = *state;
    size_t before = open_descriptors();
    int fd = static_file_open_by_component(tree->root, "a/b/deep.css");
    assert_true(fd >= 0);
    assert_content(fd, "deep");
    close(fd);
    fd = static_file_open_by_component(tree->root, "app.js");
    assert_true(fd >= 0);
    close(fd);
    static const char *const refused[] = { "inside.js",
                                           "a/up.js",
                                           "folder-link/b/deep.css",
                                           "out.txt",
                                           "out/secret.txt",
                                           "sibling/secret.txt",
                                           "../secret.txt",
                                           "a/../app.js",
                                           "a/..",
                                           "./app.js",
                                           "/etc/passwd",
                                           "a//b/deep.css",
                                           "",
                                           "a/",
                                           "nothing/x",
                                           "app.js/x",
                                           "loop",
                                           "magic" };
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        fd = static_file_open_by_component(tree->root, refused[i]);
        if (fd >= 0)
            print_message("opened: %s\n", refused[i]);
        assert_true(fd < 0);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tricks); i++) {
        if (static_path_acceptable(str_of(tricks[i])))
            assert_true(static_file_open_by_component(tree->root, tricks[i] + 1) < 0);
    }
    assert_int_equal(open_descriptors(), before);
}

/* ---------------------------------------------------------------- others -------------------------------- */

static void test_files_that_a_provider_names(void **state)
{
    const struct tree *tree = *state;
    char path[256];
    struct static_file file;
    path_in(tree, "secret.txt", path); /* the provider is trusted: anywhere */
    assert_int_equal(static_file_open_named(&file, str_of(path)), 0);
    assert_content(file.fd, SECRET);
    assert_true(str_equal(file.content_type, STR("text/plain; charset=utf-8")));
    static_file_close(&file);
    path_in(tree, "site/fifo", path);
    assert_int_equal(static_file_open_named(&file, str_of(path)), -ENOENT);
    path_in(tree, "site", path);
    assert_int_equal(static_file_open_named(&file, str_of(path)), -ENOENT);
    path_in(tree, "missing", path);
    assert_int_equal(static_file_open_named(&file, str_of(path)), -ENOENT);
    assert_int_equal(static_file_open_named(&file, STR("secret.txt")), -ENOENT);
    assert_int_equal(static_file_open_named(&file, STR("")), -ENOENT);
    assert_int_equal(static_file_open_named(&file, (struct str){ "/etc/passwd\0", 12 }), -ENOENT);
    static char longest[5000];
    memset(longest, '/', sizeof longest);
    assert_int_equal(static_file_open_named(&file, (struct str){ longest, sizeof longest }), -ENOENT);
    assert_int_equal(static_file_open_named(&file, STR("/dev/null")), -ENOENT);
}

static void test_the_folder_itself(void **state)
{
    const struct tree *tree = *state;
    char path[256];
    path_in(tree, "nowhere", path);
    assert_int_equal(static_root_open(path), -ENOENT);
    path_in(tree, "secret.txt", path);
    assert_int_equal(static_root_open(path), -ENOTDIR);
}

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } rows[] = {
        { "/index.html", "text/html; charset=utf-8" },
        { "/x.JS", "text/javascript; charset=utf-8" },
        { "/x.min.mjs", "text/javascript; charset=utf-8" },
        { "/x.wasm", "application/wasm" },
        { "/x.svg", "image/svg+xml; charset=utf-8" },
        { "/x.woff2", "font/woff2" },
        { "/x.webmanifest", "application/manifest+json; charset=utf-8" },
        { "/x.jpeg", "image/jpeg" },
        { "/x.ico", "image/x-icon" },
        { "/x.html.png", "image/png" },
        { "/x.unknown", "application/octet-stream" },
        { "/x", "application/octet-stream" },
        { "/html", "application/octet-stream" },
        { "/a.html/x", "application/octet-stream" },
        { "/x.", "application/octet-stream" },
        { "", "application/octet-stream" },
        { "css", "application/octet-stream" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(content_type_of(str_of(rows[i].name)).ptr, rows[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_are_found, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_links_within_are_followed, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_absent, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_unreadable_files_are_absent, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_machine_at_its_limits_says_so, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_tricks_reach_nothing, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_encoded_tricks_reach_nothing, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_long_paths, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_random_paths_stay_within, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_a_race_with_renames_is_lost_by_the_trickster, make_tree,
                                        remove_tree),
        cmocka_unit_test_setup_teardown(test_component_by_component, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_files_that_a_provider_names, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_the_folder_itself, make_tree, remove_tree),
        cmocka_unit_test(test_content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
