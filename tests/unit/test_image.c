/* Instances of real shared objects: their private copies, replaced files, many lives. */
#include "puppet.h"

static struct instance_config settings_of(const char *file)
{
    struct instance_config settings = instance_settings();
    settings.file = file;
    settings.entry = NULL;
    return settings;
}

static const char *plugin(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s.so", TEST_PLUGIN_DIR, name);
    return path;
}

/* Puts a plugin at world.plugin the way installers do: a new file, moved over the old one. */
static void install(const char *name)
{
    char fresh[400], block[4096];
    snprintf(fresh, sizeof fresh, "%s.new", world.plugin);
    FILE *from = fopen(plugin(name), "rb"), *to = fopen(fresh, "wb");
    assert_true(from && to);
    for (size_t n; (n = fread(block, 1, sizeof block, from)) > 0;)
        assert_int_equal(fwrite(block, 1, n, to), n);
    fclose(from);
    fclose(to);
    assert_int_equal(rename(fresh, world.plugin), 0);
}

static void expect_server_named(const char *name)
{
    ask(1, CAP_SERVERS);
    expect_mail(MAIL_STARTED);
    struct instance_mail *mail = next_mail(MAIL_DONE);
    assert_int_equal(mail->answer->server_count, 1);
    assert_true(str_equal(mail->answer->servers[0].name, str_of(name)));
    instance_mail_free(mail);
}

static void test_a_replaced_file_is_new_code(void **state)
{
    (void)state;
    struct instance_config settings = settings_of(world.plugin);
    install("one");
    start_with(&settings);
    struct instance *old = world.instance;
    assert_string_equal(instance_version(old), "1");
    expect_server_named("Build one");
    install("two");
    start_with(&settings);
    assert_string_equal(instance_version(world.instance), "2");
    expect_server_named("Build two");
    assert_int_equal(entries_of(world.runtime), 2);
    struct instance *fresh = world.instance;
    world.instance = old;
    expect_server_named("Build one"); /* the old one serves on */
    finish();
    world.instance = fresh;
    expect_server_named("Build two");
    finish();
    assert_int_equal(entries_of(world.runtime), 0);
}

static void test_a_hundred_lives(void **state)
{
    (void)state;
    char file[1024];
    snprintf(file, sizeof file, "%s", plugin("one"));
    struct instance_config settings = settings_of(file);
    start_with(&settings);
    finish();
    size_t descriptors = entries_of("/proc/self/fd");
    for (int i = 0; i < 100; i++) {
        start_with(&settings);
        expect_server_named("Build one");
        finish();
    }
    assert_int_equal(entries_of(world.runtime), 0);
    assert_int_equal(entries_of("/proc/self/fd"), descriptors);
}

/* What libraries leave behind for the end of their thread still finds its code. */
static void test_leftovers_of_the_thread(void **state)
{
    (void)state;
    struct instance_config settings = settings_of(plugin("leftover"));
    for (int i = 0; i < 10; i++) {
        start_with(&settings);
        finish();
    }
}

static void test_refused_files(void **state)
{
    (void)state;
    static const struct {
        const char *plugin, *sentence;
    } cases[] = {
        { "nowhere", " can't be read: No such file or directory; check the path" },
        { "no_symbol", " exports no symbol dback_provider, so it is no provider" },
        { "unresolved", " can't be loaded: undefined symbol: function_that_nobody_has" },
        { "short_symbol", ": its dback_provider says that it has 40 bytes, which can't be" },
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char sentence[2048];
        snprintf(sentence, sizeof sentence, "%s%s", plugin(cases[i].plugin), cases[i].sentence);
        struct instance_config settings = settings_of(plugin(cases[i].plugin));
        world.instance = instance_start(&settings);
        struct instance_mail *mail = next_mail(MAIL_CREATED);
        assert_true(mail->result < 0);
        assert_true(mail->why.len >= strlen(sentence));
        assert_memory_equal(mail->why.ptr, sentence, strlen(sentence));
        instance_mail_free(mail);
        finish();
        assert_int_equal(entries_of(world.runtime), 0);
    }
}

/* Given up in create(): the copy is removed at once, though its code still runs. */
static void test_abandoned_with_its_image(void **state)
{
    (void)state;
    char flag[300], options[320];
    snprintf(flag, sizeof flag, "%s/go", world.folder);
    snprintf(options, sizeof options, "\"%s\"", flag);
    struct instance_config settings = settings_of(plugin("slow"));
    settings.options = options;
    world.instance = instance_start(&settings);
    WAIT_UNTIL(waiting_for("create() running for"));
    assert_int_equal(entries_of(world.runtime), 1);
    instance_abandon(world.instance);
    assert_int_equal(entries_of(world.runtime), 0);
    FILE *file = fopen(flag, "w");
    assert_non_null(file);
    fclose(file);
    WAIT_UNTIL(threads_now() <= world.threads);
    unlink(flag);
}

#define WITH_PUPPET(test) cmocka_unit_test_setup_teardown(test, make_puppet, remove_puppet)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PUPPET(test_a_replaced_file_is_new_code), WITH_PUPPET(test_a_hundred_lives),
        WITH_PUPPET(test_leftovers_of_the_thread),     WITH_PUPPET(test_refused_files),
        WITH_PUPPET(test_abandoned_with_its_image),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
