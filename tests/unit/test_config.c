/* What a right configuration means: every key, which of file, environment and command line counts, where
 * paths begin. Its mistakes are in test_config_mistakes.c, printing in test_config_print.c. */
#include "config_fixture.h"

#include <arpa/inet.h>
#include <pthread.h>

static struct config *load_with(void **state, const struct config_overrides *overrides)
{
    char *shown;
    struct config *config = fixture_load(*state, overrides, &shown);
    assert_string_equal(shown, "");
    free(shown);
    return config;
}

/* `text` begins with the fixture's folder and goes on with `rest`. */
static void assert_in_folder(void **state, const char *text, const char *rest)
{
    const struct fixture *fixture = *state;
    char *expected = path_join(fixture->folder, rest);
    assert_string_equal(text, expected);
    free(expected);
}

/* ------------------------------------------------------------------ values */

static void check_mock(void **state, const struct config *config)
{
    assert_int_equal(config->provider_count, 1);
    const struct provider_config *mock = &config->providers[0];
    assert_string_equal(mock->name, "mock");
    assert_string_equal(mock->plugin, "mock");
    assert_in_folder(state, mock->file, "plugins/mock.so");
    assert_string_equal(mock->options, "{}");
    assert_int_equal(mock->deadline_ms, 5000);
    assert_true(mock->refresh == 10 && !mock->refresh_set && !mock->next_on_error);
    assert_int_equal(mock->line, 0);
    for (int i = 0; i < CAP_COUNT; i++) {
        assert_int_equal(config->routes[i].count, 1);
        assert_int_equal(config->routes[i].order[0], 0);
    }
}

static void check_defaults(void **state, const struct config *config)
{
    assert_string_equal(config->host, "localhost");
    assert_int_equal(config->port, 3000);
    assert_int_equal(config->workers, 1);
    assert_string_equal(config->static_dir, "/the/built-in/page");
    assert_false(config->static_dir_is_own);
    assert_in_folder(state, config->plugin_dir, "plugins");
    assert_true(config->http && config->announce_socket_url);
    assert_int_equal(config->trusted_proxy_count, 0);
    assert_int_equal(config->log.level, LOG_INFO);
    assert_int_equal(config->log.format, LOG_TEXT);
    assert_null(config->log.file);
    const uint32_t *limits = &config->limits.connections;
    static const uint32_t expected[] = { 20000, 1000,  200,     20,    5,    20,     16384, 16384, 10000,
                                         60,    30000, 1048576, 30000, 2500, 250000, 65536, 3000 };
    _Static_assert(sizeof(config->limits) == sizeof expected, "every limit is looked at");
    assert_memory_equal(limits, expected, sizeof expected);
    assert_int_equal(config->references, 1);
    check_mock(state, config);
}

static void test_no_file(void **state)
{
    struct config *config = load_with(state, NULL);
    assert_null(config->file);
    check_defaults(state, config);
    config_unref(config);
    assert_int_equal(unlink("plugins/mock.so"), 0); /* an embedding program may do without */
    config_unref(load_with(state, &(struct config_overrides){ 0 }));
}

static void test_empty_file(void **state)
{
    static const char *const empty[] = { "",
                                         "\n",
                                         "# port = 5;",
                                         "/* port = 5;\n*/ // x",
                                         "\xef\xbb\xbf",
                                         "log = { }; limits = { }; routes = { };\r\n" };
    for (size_t i = 0; i < ARRAY_LENGTH(empty); i++) {
        struct config *config = load_text(*state, empty[i]);
        assert_in_folder(state, config->file, "d-back.cfg");
        check_defaults(state, config);
        config_unref(config);
    }
}

static void test_every_key(void **state)
{
    struct config *config = load_text(
        *state,
        "host = \"0.0.0.0\"; port = 0; workers = 64; static_dir = \"page\"; plugin_dir = \"plugins\";\n"
        "http = false; announce_socket_url = FALSE; trusted_proxies = [\"::1\", \"10.0.0.0/8\"];\n"
        "log = { level = \"debug\"; format = \"json\"; file = \"d.log\"; };\n"
        "limits = { connections = 1; connections_per_address = 2; handshakes_per_address = 0;\n"
        "  frames_per_viewer = 0; joins_per_viewer = 6; failed_logins_per_address = 1000000;\n"
        "  frame_size = 1024; header_size = 4096; handshake_timeout_ms = 100; ping_interval = 0;\n"
        "  pong_timeout_ms = 101; log_size = 65536; slow_client_timeout_ms = 0x3E8; servers = 3; users = 4; "
        "events = 64L;\n"
        "  stop_timeout_ms = 600000; };\n"
        "providers = (\n"
        "  { name = \"a\"; plugin = \"./plugins/team.so\"; },\n"
        "  { name = \"b.B-b_1\"; plugin = \"mock\"; refresh = 0.25; deadline_ms = 1; on_error = \"next\";\n"
        "    options = { x = 1; }; } );\n"
        "routes = { servers = [\"b.B-b_1\"]; users = (\"b.B-b_1\", \"a\"); validate = []; client_id = ();\n"
        "  static = [\"a\"]; };\n");
    assert_string_equal(config->host, "0.0.0.0");
    assert_int_equal(config->port, 0);
    assert_int_equal(config->workers, 64);
    assert_in_folder(state, config->static_dir, "page");
    assert_true(config->static_dir_is_own);
    assert_in_folder(state, config->plugin_dir, "plugins");
    assert_false(config->http || config->announce_socket_url);
    assert_int_equal(config->trusted_proxy_count, 2);
    assert_int_equal(config->trusted_proxies[1].prefix, 104);
    assert_int_equal(config->log.level, LOG_DEBUG);
    assert_int_equal(config->log.format, LOG_JSON);
    assert_in_folder(state, config->log.file, "d.log");
    static const uint32_t limits[] = { 1, 2,   0,     0,    6, 1000000, 1024, 4096,  100,
                                       0, 101, 65536, 1000, 3, 4,       64,   600000 };
    assert_memory_equal(&config->limits, limits, sizeof limits);
    assert_int_equal(config->provider_count, 2);
    assert_string_equal(config->providers[0].name, "a");
    assert_string_equal(config->providers[0].plugin, "./plugins/team.so");
    assert_in_folder(state, config->providers[0].file, "plugins/team.so");
    assert_int_equal(config->providers[0].line, 10);
    assert_string_equal(config->providers[0].options, "{}");
    const struct provider_config *b = &config->providers[1];
    assert_string_equal(b->name, "b.B-b_1");
    assert_true(b->refresh == 0.25 && b->refresh_set && b->next_on_error && b->deadline_ms == 1 &&
                b->line == 11);
    assert_string_equal(b->options, "{\"x\":1}");
    static const size_t counts[CAP_COUNT] = { 1, 2, 0, 0, 1 };
    for (int i = 0; i < CAP_COUNT; i++)
        assert_int_equal(config->routes[i].count, counts[i]);
    assert_int_equal(config->routes[CAP_SERVERS].order[0], 1);
    assert_int_equal(config->routes[CAP_USERS].order[0], 1);
    assert_int_equal(config->routes[CAP_USERS].order[1], 0);
    assert_int_equal(config->routes[CAP_STATIC].order[0], 0);
    config_unref(config);
}

/* A file that sets just this key to `value`. */
static char *file_with(const struct key *key, const char *value)
{
    struct text_buffer text = { 0 };
    if (key->group == GROUP_TOP)
        text_appendf(&text, "%s = %s;", key->name, value);
    else if (key->group == GROUP_PROVIDER)
        text_appendf(&text, "providers = ( { name = \"m\"; plugin = \"mock\"; %s = %s; } );", key->name,
                     value);
    else
        text_appendf(&text, "%s = { %s = %s; };", key_group_names[key->group], key->name, value);
    return text.ptr;
}

static bool is_accepted(void **state, const struct key *key, const char *value, const char *mistake_has)
{
    char *shown, *text = file_with(key, value);
    write_text("d-back.cfg", text);
    struct config *config = fixture_load(*state, &(struct config_overrides){ .file = "d-back.cfg" }, &shown);
    if (!config)
        assert_non_null(strstr(shown, mistake_has));
    bool accepted = config != NULL;
    config_unref(config);
    free(shown);
    free(text);
    return accepted;
}

static void check_range(void **state, const struct key *key)
{
    struct text_buffer allowed = { 0 };
    char value[40];
    key_append_allowed(key, &allowed);
    text_append(&allowed, "", 1);
    for (int step = -1; step <= 1; step++) {
        snprintf(value, sizeof value, "%lld", (long long)key->least + step);
        assert_int_equal(is_accepted(state, key, value, allowed.ptr), step >= 0);
        snprintf(value, sizeof value, "%lld", (long long)key->most + step);
        assert_int_equal(is_accepted(state, key, value, allowed.ptr), step <= 0);
    }
    text_finish(&allowed);
}

static void test_ranges(void **state)
{
    size_t checked = 0;
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (key->kind != KEY_INTEGER && key->kind != KEY_WORKERS && key->kind != KEY_DECIMAL)
            continue;
        check_range(state, key);
        checked++;
    }
    assert_int_equal(checked, 21);
}

/* Every key against a value of every type: what isn't of its type is refused with what is allowed. */
static void test_types(void **state)
{
    static const struct {
        const char *value,
            *kinds; /* i: integers, w: workers, d: decimals, b: booleans, t: text, s: sequences, g: groups */
    } values[] = {
        { "100000", "id" }, { "5.5", "d" }, { "true", "b" }, { "{ }", "g" }, { "[ ]", "s" }, { "( )", "s" },
    };
    static const char kinds[] = {
        [KEY_BOOLEAN] = 'b', [KEY_INTEGER] = 'i', [KEY_WORKERS] = 'w',  [KEY_DECIMAL] = 'd',
        [KEY_CHOICE] = 't',  [KEY_HOST] = 't',    [KEY_NAME] = 't',     [KEY_FOLDER] = 't',
        [KEY_FILE] = 't',    [KEY_PLUGIN] = 't',  [KEY_NETWORKS] = 's', [KEY_OPTIONS] = 'g',
        [KEY_ROUTE] = 's',   [KEY_SOCKET] = 't',  [KEY_ENDPOINT] = 't'
    };
    for (const struct key *key = keys; key < keys + key_count; key++) {
        if (key->kind == KEY_NAME || key->kind == KEY_PLUGIN)
            continue; /* given already in file_with(); see test_config_mistakes.c */
        for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
            bool in_range = key->kind != KEY_DECIMAL && key->kind != KEY_INTEGER ? true
                            : strchr(values[i].value, '.')                       ? true
                                                           : key->least <= 100000 && key->most >= 100000;
            bool right = in_range && strchr(values[i].kinds, kinds[key->kind]);
            assert_int_equal(is_accepted(state, key, values[i].value, "; allowed: "), right);
        }
    }
}

static void test_workers_auto(void **state)
{
    struct config *config = load_text(*state, "workers = \"auto\";");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    assert_int_equal(config->workers, cpus < 64 ? cpus : 64);
    config_unref(config);
}

static void test_integers(void **state)
{
    struct config *config = load_text(
        *state, "providers = ( { name = \"m\"; plugin = \"mock\"; options = { small = -5; plus = +7; id = "
                "81384788765712384;\n"
                "  most = 9223372036854775807; least = -9223372036854775808; hex = 0xFFFFFFFF; l = 5LL;\n"
                "  a2b = [1, 99999999999]; d = -1.5e3; e = 1E2; f = .5; g = 010; s = \"12 @ 13\"; # "
                "99999999999999999999\n"
                " }; } );");
    assert_string_equal(
        config->providers[0].options,
        "{\"small\":-5,\"plus\":7,\"id\":81384788765712384,\"most\":9223372036854775807,"
        "\"least\":-9223372036854775808,\"hex\":4294967295,\"l\":5,\"a2b\":[1,99999999999],\"d\":-1500.0,"
        "\"e\":100.0,\"f\":0.5,\"g\":10,\"s\":\"12 @ 13\"}");
    config_unref(config);
}

static void test_options(void **state)
{
    struct config *config = load_text(*state, "providers = ( { name = \"m\"; plugin = \"mock\"; options : { "
                                              "z = \"last \\\"one\\\"\\n\" \"joined \xe2\x82\xac\";\n"
                                              "  a = { b = { }; c = (); }; list = (1, \"x\", true, [ ], { k "
                                              "= 0.1; }); on = FALSE; deep = ((((1)))); }; } );");
    assert_string_equal(
        config->providers[0].options,
        "{\"z\":\"last \\\"one\\\"\\njoined \xe2\x82\xac\",\"a\":{\"b\":{},\"c\":[]},"
        "\"list\":[1,\"x\",true,[],{\"k\":0.10000000000000001}],\"on\":false,\"deep\":[[[[1]]]]}");
    config_unref(config);
}

static void test_networks(void **state)
{
    static const struct {
        const char *text, *address;
        unsigned prefix;
        const char *shown;
    } cases[] = {
        { "127.0.0.1", "::ffff:127.0.0.1", 128, "127.0.0.1" },
        { "127.0.0.1/32", "::ffff:127.0.0.1", 128, "127.0.0.1" },
        { "10.0.0.0/8", "::ffff:10.0.0.0", 104, "10.0.0.0/8" },
        { "0.0.0.0/0", "::ffff:0.0.0.0", 96, "0.0.0.0/0" },
        { "::ffff:10.0.0.0/104", "::ffff:10.0.0.0", 104, "10.0.0.0/8" },
        { "::1", "::1", 128, "::1" },
        { "::/0", "::", 0, "::/0" },
        { "2001:DB8::/33", "2001:db8::", 33, "2001:db8::/33" },
        { "fe80:0:0:0::1/128", "fe80::1", 128, "fe80::1" },
    };
    static const char *const wrong[] = { "",
                                         "/",
                                         "/8",
                                         "1.2.3",
                                         "1.2.3.4/",
                                         "1.2.3.4/-1",
                                         "1.2.3.4/08",
                                         "1.2.3.4/ 8",
                                         "1.2.3.4/33",
                                         "1.2.3.4/8",
                                         "::1/127",
                                         "::1/129",
                                         "::1/1280",
                                         "a",
                                         "1.2.3.4/8/8",
                                         "01.2.3.4",
                                         " 1.2.3.4",
                                         "localhost",
                                         "::ffff:1.2.3.4/100",
                                         "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct network network;
        struct in6_addr address;
        char err[ERR_SIZE];
        struct text_buffer shown = { 0 };
        assert_true(network_parse(cases[i].text, &network, err));
        assert_int_equal(inet_pton(AF_INET6, cases[i].address, &address), 1);
        assert_memory_equal(&network.address, &address, sizeof address);
        assert_int_equal(network.prefix, cases[i].prefix);
        network_append(&network, &shown);
        text_append(&shown, "", 1);
        assert_string_equal(shown.ptr, cases[i].shown);
        text_finish(&shown);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct network network = { .prefix = 7 };
        char err[ERR_SIZE] = "";
        assert_false(network_parse(wrong[i], &network, err));
        assert_int_equal(network.prefix, 7);
        assert_true(strlen(err) > 0);
    }
}

/* ------------------------------------------------------------------ who is asked first */

static void check_port(void **state, const struct config_overrides *overrides, unsigned port)
{
    struct config *config = load_with(state, overrides);
    assert_int_equal(config->port, port);
    config_unref(config);
}

static void test_precedence(void **state)
{
    write_text("d-back.cfg", "port = 1001; host = \"file\"; static_dir = \"page\";");
    struct config_overrides overrides = { .file = "d-back.cfg" };
    check_port(state, NULL, 3000);
    check_port(state, &overrides, 1001);
    setenv("D_BACK_PORT", "", 1);
    setenv("D_BACK_HOST", "", 1);
    check_port(state, &overrides, 1001); /* empty: not given */
    setenv("D_BACK_PORT", "1002", 1);
    setenv("D_BACK_HOST", "environment", 1);
    check_port(state, &overrides, 1002);
    check_port(state, NULL, 1002);
    overrides.port = "0";
    check_port(state, &overrides, 0);
    overrides.port = "065535";
    check_port(state, &overrides, 65535);
    struct config *config = load_with(state, &overrides);
    assert_string_equal(config->host, "environment");
    config_unref(config);
    overrides.host = "::1";
    config = load_with(state, &overrides);
    assert_string_equal(config->host, "::1");
    config_unref(config);
}

static void test_which_file(void **state)
{
    struct fixture *fixture = *state;
    write_text("option.cfg", "port = 1;");
    write_text("environment.cfg", "port = 2;");
    write_text("installed.cfg", "port = 3;");
    fixture->paths.file = xstrdup("installed.cfg");
    check_port(state, NULL, 3);
    setenv("D_BACK_CONFIG", "", 1);
    check_port(state, NULL, 3);
    setenv("D_BACK_CONFIG", "environment.cfg", 1);
    check_port(state, NULL, 2);
    check_port(state, &(struct config_overrides){ .file = "option.cfg" }, 1);
}

static void test_public_reader(void **state)
{
    struct config *config = NULL;
    struct text_buffer mistakes = { 0 };
    write_text("d-back.cfg", "port = 5; plugin_dir = \"plugins\";");
    assert_int_equal(config_load(&config, &(struct config_overrides){ .file = "d-back.cfg" }, &mistakes), 0);
    assert_int_equal(mistakes.len, 0);
    assert_int_equal(config->port, 5);
    char *page = config_default_static_dir(), *plugins = config_default_plugin_dir();
    assert_string_equal(config->static_dir, page);
    assert_true(plugins[0] == '/' && strcmp(plugins, page) != 0);
    assert_in_folder(state, config->plugin_dir, "plugins");
    config_unref(config);
    free(page);
    free(plugins);
}

/* ------------------------------------------------------------------ paths */

static void test_relative_paths(void **state)
{
    struct fixture *fixture = *state;
    mkdir("etc", 0700);
    mkdir("etc/page", 0700);
    mkdir("etc/more", 0700);
    mkdir("etc/more/plugins", 0700);
    write_text("etc/more/plugins/own.so", "");
    write_text("etc/more/x.cfg", "providers = ( { name = \"own\"; plugin = \"plugins/own.so\"; } );");
    write_text("etc/d-back.cfg",
               "static_dir = \"./page\"; log = { file = \"log/d.log\"; };\n@include \"more/x.cfg\"\n");
    struct config *config = load_with(state, &(struct config_overrides){ .file = "etc/d-back.cfg" });
    assert_in_folder(state, config->file, "etc/d-back.cfg");
    assert_in_folder(state, config->static_dir, "etc/page");
    assert_in_folder(state, config->log.file, "etc/log/d.log");
    assert_in_folder(state, config->providers[0].file, "etc/more/plugins/own.so");
    config_unref(config);

    config = load_with(state, &(struct config_overrides){ .file = "etc/d-back.cfg", .static_dir = "page" });
    assert_in_folder(state, config->static_dir, "page");
    assert_true(config->static_dir_is_own);
    config_unref(config);
    setenv("D_BACK_STATIC_DIR", fixture->folder, 1);
    config = load_with(state, NULL);
    assert_string_equal(config->static_dir, fixture->folder);
    config_unref(config);
}

/* What the file names needn't be there when somebody overrides it. */
static void test_overridden_folder(void **state)
{
    write_text("d-back.cfg", "static_dir = \"/nowhere\";");
    struct config *config =
        load_with(state, &(struct config_overrides){ .file = "d-back.cfg", .static_dir = "page" });
    assert_in_folder(state, config->static_dir, "page");
    config_unref(config);
}

static void test_include(void **state)
{
    write_text("o\"n\\e.cfg", "port = 5;\n");
    write_text("two.cfg", "# nothing\nlog = {\n@include \"three.cfg\"\n}");
    write_text("three.cfg", "level = \"warn\"");
    struct config *config =
        load_text(*state, "/* \n@include \"no.cfg\"\n*/ # @include \"no.cfg\"\n@include \"o\\\"n\\\\e.cfg\"\n"
                          "host = \"localhost\"; // @include\n \t@include\t\"two.cfg\" ; workers = 2;\n"
                          "static_dir = \"pa\" # comment\n \"ge\";");
    assert_int_equal(config->port, 5);
    assert_int_equal(config->log.level, LOG_WARN);
    assert_int_equal(config->workers, 2);
    assert_in_folder(state, config->static_dir, "page");
    config_unref(config);
}

static void check_paths(const char *executable, const char *folder, bool built)
{
    struct config_paths paths;
    config_paths_find(&paths, executable);
    char *plugins = path_join(folder, "plugins"), *page = path_join(folder, "page");
    assert_int_equal(strcmp(paths.plugin_dir, plugins) == 0, built);
    assert_int_equal(strcmp(paths.static_dir, page) == 0, built);
    assert_true(paths.plugin_dir[0] == '/' && paths.static_dir[0] == '/');
    if (built)
        assert_null(paths.file);
    config_paths_finish(&paths);
    free(plugins);
    free(page);
}

static void test_build_tree(void **state)
{
    struct fixture *fixture = *state;
    mkdir("bin", 0700);
    mkdir("sbin", 0700);
    char *bin = path_join(fixture->folder, "bin/d-back"), *sbin = path_join(fixture->folder, "sbin/d-back");
    check_paths(bin, fixture->folder, false);
    write_text("CMakeCache.txt", "");
    check_paths(bin, fixture->folder, true);
    check_paths(sbin, fixture->folder, false);
    check_paths("/", fixture->folder, false);
    check_paths("", fixture->folder, false);
    free(bin);
    free(sbin);
}

static void check_installed(const struct fixture *fixture, const char *executable, const char *prefix)
{
    struct config_paths paths;
    char *binary = path_join(fixture->folder, executable);
    config_paths_find(&paths, binary);
    if (prefix) {
        char *root = path_join(fixture->folder, prefix), *page = path_join(root, "share/d-back/page"),
             *file = path_join(root, "etc/d-back/d-back.cfg");
        assert_string_equal(paths.static_dir, page);
        assert_string_equal(paths.file, file);
        assert_memory_equal(paths.plugin_dir, root, strlen(root));
        free(root);
        free(page);
        free(file);
    } else {
        assert_null(strstr(paths.static_dir, fixture->folder));
        assert_null(strstr(paths.plugin_dir, fixture->folder));
    }
    config_paths_finish(&paths);
    free(binary);
}

/* Installed with another prefix than it was configured for, or moved since. */
static void test_installed_elsewhere(void **state)
{
    static const char *const folders[] = {
        "opt",     "opt/share",      "opt/share/d-back", "opt/share/d-back/page",
        "opt/etc", "opt/etc/d-back", "opt/bin"
    };
    check_installed(*state, "opt/bin/d-back", NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
        mkdir(folders[i], 0700);
    write_text("opt/etc/d-back/d-back.cfg", "");
    check_installed(*state, "opt/bin/d-back", "opt");
    check_installed(*state, "opt/bin/d-back (deleted)", "opt"); /* replaced while it runs */
    check_installed(*state, "opt/bin/deep/d-back", NULL);
    assert_int_equal(unlink("opt/etc/d-back/d-back.cfg"), 0);
    struct config_paths paths;
    struct fixture *fixture = *state;
    char *binary = path_join(fixture->folder, "opt/bin/d-back");
    config_paths_find(&paths, binary);
    assert_null(paths.file);
    config_paths_finish(&paths);
    free(binary);
}

static void test_path_helpers(void **state)
{
    static const char *const joined[][3] = { { "/a", "b", "/a/b" },    { "/a/", "b", "/a/b" },
                                             { "/a", "/b", "/b" },     { "/a", "./b", "/a/b" },
                                             { "/a", ".//b", "/a/b" }, { "/a", "../b", "/a/../b" },
                                             { "/", "b", "/b" },       { "", "b", "b" },
                                             { "/a", ".b", "/a/.b" } };
    static const char *const folders[][2] = {
        { "a", "." }, { "/a", "/" }, { "/a/b", "/a" }, { "a/b", "a" }, { "/", "/" }
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(joined); i++) {
        char *path = path_join(joined[i][0], joined[i][1]);
        assert_string_equal(path, joined[i][2]);
        free(path);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        char *folder = path_folder(folders[i][0]);
        assert_string_equal(folder, folders[i][1]);
        free(folder);
    }
}

/* ------------------------------------------------------------------ life, and what a reload can't change */

static void *hold_and_release(void *arg)
{
    for (int i = 0; i < 10000; i++)
        config_unref(config_ref(arg));
    return NULL;
}

static void test_counting(void **state)
{
    struct config *config = load_text(*state, "port = 1;");
    pthread_t threads[4];
    config_unref(NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, config), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(config->references, 1);
    assert_int_equal(config->port, 1);
    config_unref(config);
    config = xcalloc(1, sizeof *config); /* made by hand */
    config->references = 1;
    config_unref(config);
}

static void check_differences(void **state, const char *old_text, const char *new_text, const char *expected)
{
    struct config *old = load_text(*state, old_text), *changed = load_text(*state, new_text);
    struct text_buffer out = { 0 };
    text_append_literal(&out, "differ: ");
    config_restart_differences(old, changed, &out);
    text_append(&out, "", 1);
    assert_string_equal(out.ptr + strlen("differ: "), expected);
    text_finish(&out);
    config_unref(old);
    config_unref(changed);
}

static void test_restart_differences(void **state)
{
    check_differences(state, "", "", "");
    check_differences(state, "", "port = 3000; log = { file = \"\"; };", "");
    check_differences(state, "", "port = 3001;", "port");
    check_differences(state, "log = { file = \"a\"; };", "log = { file = \"b\"; };", "log.file");
    check_differences(state, "log = { file = \"a\"; };", "", "log.file");
    check_differences(state, "",
                      "host = \"::\"; port = 1; workers = 2; http = false; log = { file = \"a\"; };",
                      "host, port, workers, http, log.file");
    check_differences(
        state, "",
        "static_dir = \"page\"; announce_socket_url = false; trusted_proxies = [\"::1\"];\n"
        "log = { level = \"warn\"; format = \"json\"; }; limits = { connections = 1; ping_interval = 0; };\n"
        "providers = ( ); routes = { users = []; };",
        "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_file),
        TEST(test_empty_file),
        TEST(test_every_key),
        TEST(test_ranges),
        TEST(test_types),
        TEST(test_workers_auto),
        TEST(test_integers),
        TEST(test_options),
        TEST(test_networks),
        TEST(test_precedence),
        TEST(test_which_file),
        TEST(test_public_reader),
        TEST(test_relative_paths),
        TEST(test_overridden_folder),
        TEST(test_include),
        TEST(test_build_tree),
        TEST(test_installed_elsewhere),
        TEST(test_path_helpers),
        TEST(test_counting),
        TEST(test_restart_differences),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
