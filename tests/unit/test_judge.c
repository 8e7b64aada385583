/* Judging a provider's entry, and loading its file: every refusal, with its sentence. */
#include "testing.h"

#include "provider/judge.h"
#include "provider/load.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------ entries ------------------------------------------------------------------- */

static unsigned calls;

static int32_t create(const dback_host *host, dback_str options, void **self, char *error, size_t error_size)
{
    (void)host;
    (void)options;
    (void)self;
    (void)error;
    (void)error_size;
    calls++;
    return DBACK_OK;
}

static void destroy(void *self)
{
    (void)self;
    calls++;
}

static void servers(void *self, dback_request request)
{
    (void)self;
    (void)request;
    calls++;
}

static const dback_vtable good_vtable = { DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES), .create = create,
                                          .destroy = destroy, .servers = servers };
static struct file_identity identity; /* of what was loaded last */

static const dback_entry good = { DBACK_MAGIC, DBACK_ABI_MAJOR, DBACK_ABI_MINOR, sizeof(dback_entry),
                                  0,           "good",          "1.2.3",         &good_vtable };

static void assert_refused(const dback_entry *entry, size_t available, const char *sentence)
{
    struct judged judged;
    char err[ERR_SIZE] = "";
    memset(&judged, 0xaa, sizeof judged);
    assert_int_equal(judge_entry("the.so", entry, available, &judged, err), -EINVAL);
    assert_string_equal(err, sentence);
    assert_int_equal((unsigned char)judged.name[0], 0xaa); /* untouched on failure */
}

static void test_a_good_entry(void **state)
{
    (void)state;
    struct judged judged;
    char err[ERR_SIZE] = "";
    assert_int_equal(judge_entry("the.so", &good, sizeof good, &judged, err), 0);
    assert_string_equal(judged.name, "good");
    assert_string_equal(judged.version, "1.2.3");
    assert_true(judged.vtable.create == create && judged.vtable.destroy == destroy);
    assert_true(judged.vtable.servers == servers && !judged.vtable.users && !judged.vtable.extension);
    assert_int_equal(judged.vtable.flags, DBACK_PROVIDER_PUSHES);
    assert_int_equal(judge_entry("the.so", &good, SIZE_MAX, &judged, err), 0);
    assert_int_equal(calls, 0);
}

static void test_refused_versions(void **state)
{
    (void)state;
    dback_entry entry = good;
    entry.magic = 0x464c457f;
    assert_refused(
        &entry, sizeof entry,
        "the.so: its dback_provider is no provider entry (it begins with 0x464c457f); define it with "
        "DBACK_PROVIDER_ENTRY of dback/provider.h");
    entry = good;
    entry.major = 2;
    assert_refused(
        &entry, sizeof entry,
        "the.so is built for provider ABI 2.x, this d-back speaks 1.x; build it against this d-back's "
        "dback/provider.h");
    entry = good;
    entry.need_minor = DBACK_ABI_MINOR + 7;
    char sentence[128];
    snprintf(sentence, sizeof sentence,
             "the.so needs a d-back with ABI 1.%d or newer, this one has 1.%d; update d-back",
             DBACK_ABI_MINOR + 7, DBACK_ABI_MINOR);
    assert_refused(&entry, sizeof entry, sentence);
    assert_refused(NULL, SIZE_MAX, "the.so: there is no provider entry");
}

/* Sizes are judged before what they cover is read: the blocks here are exactly as large as they may be read.
 */
static void test_refused_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t available;
        uint32_t size;
        const char *sentence;
    } cases[] = {
        { 8, 40,
          "the.so: its dback_provider has only 8 bytes and is no provider entry; build it against this "
          "d-back's "
          "dback/provider.h" },
        { 12, 40,
          "the.so: its dback_provider says that it has 40 bytes, which can't be; build it against this "
          "d-back's "
          "dback/provider.h" },
        { 12, 12,
          "the.so: its dback_provider says that it has 12 bytes, which can't be; build it against this "
          "d-back's "
          "dback/provider.h" },
        { 40, 0,
          "the.so: its dback_provider says that it has 0 bytes, which can't be; build it against this "
          "d-back's "
          "dback/provider.h" },
        { 16, 16,
          "the.so: its dback_provider has 16 bytes, at least 40 are needed; build it against this d-back's "
          "dback/provider.h" },
        { 32, 32,
          "the.so: its dback_provider has 32 bytes, at least 40 are needed; build it against this d-back's "
          "dback/provider.h" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        dback_entry entry = good;
        entry.size = cases[i].size;
        void *block = xmalloc(cases[i].available);
        memcpy(block, &entry, cases[i].available);
        assert_refused(block, cases[i].available, cases[i].sentence);
        free(block);
    }
}

static void test_refused_names(void **state)
{
    (void)state;
    char long_name[66];
    memset(long_name, 'n', 65);
    long_name[65] = '\0';
    const char *const names[] = { NULL, "", "tab\t", "caf\xc3\xa9", long_name };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        dback_entry entry = good;
        entry.name = names[i];
        assert_refused(&entry, sizeof entry,
                       "the.so: the name in its dback_provider must be 1 to 64 printable ASCII characters");
        entry = good;
        entry.version = names[i];
        assert_refused(
            &entry, sizeof entry,
            "the.so: the version in its dback_provider must be 1 to 64 printable ASCII characters");
    }
    dback_entry entry = good;
    struct judged judged;
    entry.name = long_name + 1;
    assert_int_equal(judge_entry("the.so", &entry, sizeof entry, &judged, NULL), 0);
    assert_string_equal(judged.name, long_name + 1);
}

static void test_refused_vtables(void **state)
{
    (void)state;
    dback_entry entry = good;
    entry.vtable = NULL;
    assert_refused(&entry, sizeof entry, "the.so: its dback_provider has no vtable");
    dback_vtable vtable = good_vtable;
    entry.vtable = &vtable;
    vtable.create = NULL;
    assert_refused(&entry, sizeof entry,
                   "the.so: its vtable has no create function, which every provider needs");
    vtable = good_vtable;
    vtable.destroy = NULL;
    assert_refused(&entry, sizeof entry,
                   "the.so: its vtable has no destroy function, which every provider needs");
    vtable.size = 23;
    assert_refused(
        &entry, sizeof entry,
        "the.so: its vtable says that it has 23 bytes, which doesn't cover create and destroy; begin it "
        "with DBACK_VTABLE_HEAD");
}

/* A provider built with an older header has a shorter vtable: nothing behind its end is read. */
static void test_missing_members(void **state)
{
    (void)state;
    const uint32_t least = offsetof(dback_vtable, destroy) + sizeof good_vtable.destroy;
    for (uint32_t size = least; size <= sizeof(dback_vtable); size++) {
        dback_vtable *vtable = xmalloc(size);
        dback_vtable full = good_vtable;
        full.size = size;
        memcpy(vtable, &full, size);
        dback_entry entry = good;
        entry.vtable = vtable;
        struct judged judged;
        assert_int_equal(judge_entry("the.so", &entry, sizeof entry, &judged, NULL), 0);
        assert_true(judged.vtable.destroy == destroy);
        assert_true(judged.vtable.servers == (size >= least + sizeof(void *) ? servers : NULL));
        free(vtable);
    }
}

/* A provider of a later 1.x has more members than we know. */
static void test_a_newer_provider(void **state)
{
    (void)state;
    struct {
        dback_vtable vtable;
        void *later;
    } vtable = { good_vtable, &calls };
    struct {
        dback_entry entry;
        void *later;
    } entry = { good, &calls };
    vtable.vtable.size = sizeof vtable;
    entry.entry.size = sizeof entry;
    entry.entry.minor = 9;
    entry.entry.vtable = &vtable.vtable;
    struct judged judged;
    assert_int_equal(judge_entry("the.so", &entry.entry, sizeof entry, &judged, NULL), 0);
    assert_true(judged.vtable.servers == servers);
}

/* ------------------ files --------------------------------------------------------------------- */

static char folder[256], source[300], runtime[300];

static int make_folders(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char *real = realpath(base ? base : P_tmpdir, NULL);
    if (!real)
        return -1;
    snprintf(folder, sizeof folder, "%s/dback-judge-XXXXXX", real);
    free(real);
    if (!mkdtemp(folder))
        return -1;
    snprintf(source, sizeof source, "%s/plugin.so", folder);
    snprintf(runtime, sizeof runtime, "%s/run", folder);
    return mkdir(runtime, 0700);
}

static int remove_folders(void **state)
{
    (void)state;
    rmdir(runtime);
    return rmdir(folder);
}

static size_t files_in_runtime(void)
{
    size_t count = 0;
    DIR *dir = opendir(runtime);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static char *read_plugin(const char *name, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.so", TEST_PLUGIN_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = xmalloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_source(const void *bytes, size_t size)
{
    FILE *file = fopen(source, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Copy and open; what it says has to begin with `sentence` and name the file. Nothing may be left behind. */
static void assert_not_loaded(const char *file, const char *sentence)
{
    char err[ERR_SIZE] = "", expected[ERR_SIZE];
    char *copy = NULL;
    struct image image = { 0 };
    int result = load_copy(file, runtime, "test", &copy, &identity, err);
    if (result == 0) {
        result = load_open(file, copy, &image, err);
        unlink(copy);
        free(copy);
    }
    load_close(&image);
    assert_true(result < 0);
    snprintf(expected, sizeof expected, "%s%s", file, sentence);
    err[strlen(expected)] = '\0';
    assert_string_equal(err, expected);
    assert_int_equal(files_in_runtime(), 0);
}

static void assert_source_refused(const void *bytes, size_t size, const char *sentence)
{
    write_source(bytes, size);
    assert_not_loaded(source, sentence);
    unlink(source);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    assert_not_loaded(source,
                      " can't be read: No such file or directory; check the path and the permissions of "
                      "d-back's user");
    assert_not_loaded(folder, " is not a regular file; name the provider's .so file");
    assert_int_equal(mkfifo(source, 0600), 0);
    assert_not_loaded(source, " is not a regular file; name the provider's .so file");
    unlink(source);
    assert_source_refused("", 0, " is empty; build or copy it anew");
    write_source("x", 1);
    if (geteuid() != 0) {
        chmod(source, 0);
        assert_not_loaded(source, " can't be read: Permission denied; check the path and the permissions of "
                                  "d-back's user");
        chmod(source, 0600);
    }
    assert_int_equal(truncate(source, ((off_t)256 << 20) + 1), 0);
    assert_not_loaded(source, " is larger than 256 MiB; strip it");
    unlink(source);
}

static void test_what_is_no_shared_object(void **state)
{
    (void)state;
    size_t size;
    char *bytes = read_plugin("one", &size);
    Elf64_Ehdr *head = (Elf64_Ehdr *)(void *)bytes, kept = *head;
    assert_source_refused("#!/bin/sh\nexit 0\n", 17,
                          " is not a shared object (no ELF file); name the provider's .so file");
    assert_source_refused(bytes, 40, " is not a shared object (no ELF file); name the provider's .so file");
    head->e_machine = EM_68K;
    assert_source_refused(bytes, size, " is built for another kind of machine; build it on or for this one");
    *head = kept;
    head->e_ident[EI_CLASS] = ELFCLASS32;
    assert_source_refused(bytes, size, " is built for another kind of machine; build it on or for this one");
    *head = kept;
    head->e_type = ET_REL;
    assert_source_refused(bytes, size, " is an ELF file, but not a shared object; link it with -shared");
    *head = kept;
    head->e_phnum = 0;
    assert_source_refused(bytes, size, " is damaged (its program headers make no sense); build it anew");
    *head = kept;
    head->e_phoff = UINT64_MAX - 10;
    assert_source_refused(bytes, size,
                          " is incomplete (it ends before its contents do); build or copy it anew");
    free(bytes);
}

/* Wherever a copy broke off, it is refused or loads; it never takes the process down. */
static void test_truncated_files(void **state)
{
    (void)state;
    size_t size;
    char *bytes = read_plugin("one", &size), err[ERR_SIZE];
    unsigned refused = 0;
    for (size_t cut = 64; cut < size; cut += size / 61 + 1) {
        char *copy = NULL;
        struct image image = { 0 };
        write_source(bytes, cut);
        if (load_copy(source, runtime, "test", &copy, &identity, err) < 0) {
            refused++;
        } else {
            if (load_open(source, copy, &image, err) == 0)
                load_close(&image);
            unlink(copy);
            free(copy);
        }
    }
    assert_true(refused > 0);
    unlink(source);
    free(bytes);
}

static void test_what_is_no_provider(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/no_symbol.so", TEST_PLUGIN_DIR);
    assert_not_loaded(path, " exports no symbol dback_provider, so it is no provider; define it with "
                            "DBACK_PROVIDER_ENTRY of dback/provider.h");
    snprintf(path, sizeof path, "%s/function_symbol.so", TEST_PLUGIN_DIR);
    assert_not_loaded(path, ": its dback_provider is not data; define it with DBACK_PROVIDER_ENTRY");
    snprintf(path, sizeof path, "%s/absolute_symbol.so", TEST_PLUGIN_DIR);
    assert_not_loaded(path, ": its dback_provider isn't in it; define it with DBACK_PROVIDER_ENTRY of "
                            "dback/provider.h in the object itself");
    snprintf(path, sizeof path, "%s/unresolved.so", TEST_PLUGIN_DIR);
    assert_not_loaded(path, " can't be loaded: undefined symbol: function_that_nobody_has; \"ldd -r ");
}

static void test_a_short_symbol(void **state)
{
    (void)state;
    char path[1024], err[ERR_SIZE] = "", *copy = NULL;
    struct image image;
    struct judged judged;
    snprintf(path, sizeof path, "%s/short_symbol.so", TEST_PLUGIN_DIR);
    assert_int_equal(load_copy(path, runtime, "test", &copy, &identity, err), 0);
    assert_int_equal(load_open(path, copy, &image, err), 0);
    assert_in_range(image.entry_size, 16, 39); /* a sanitizer may pad it */
    assert_int_equal(judge_entry(path, image.entry, image.entry_size, &judged, err), -EINVAL);
    assert_non_null(strstr(err, "says that it has 40 bytes, which can't be"));
    load_close(&image);
    unlink(copy);
    free(copy);
}

static void test_the_private_copy(void **state)
{
    (void)state;
    char path[1024], err[ERR_SIZE] = "", *first = NULL, *second = NULL;
    struct image one, two;
    struct stat st;
    snprintf(path, sizeof path, "%s/one.so", TEST_PLUGIN_DIR);
    assert_int_equal(load_copy(path, runtime, "a/../b", &first, &identity, err), 0);
    assert_int_equal(load_copy(path, runtime, "a/../b", &second, &identity, err), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(strncmp(first, runtime, strlen(runtime)), 0);
    assert_null(strchr(first + strlen(runtime) + 1, '/')); /* a name can't lead out of the folder */
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0500);
    assert_int_equal(load_open(path, first, &one, err), 0);
    assert_int_equal(load_open(path, second, &two, err), 0);
    assert_ptr_not_equal(one.entry, two.entry);
    load_close(&one);
    load_close(&two);
    unlink(first);
    unlink(second);
    free(first);
    free(second);
    char nowhere[400];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", runtime);
    assert_true(load_copy(path, nowhere, "test", &first, &identity, err) < 0);
    assert_non_null(strstr(err, nowhere));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_entry),
        cmocka_unit_test(test_refused_versions),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_refused_names),
        cmocka_unit_test(test_refused_vtables),
        cmocka_unit_test(test_missing_members),
        cmocka_unit_test(test_a_newer_provider),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_what_is_no_shared_object),
        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_what_is_no_provider),
        cmocka_unit_test(test_a_short_symbol),
        cmocka_unit_test(test_the_private_copy),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
