/* What is written from a configuration and from the table of keys: --check-config, docs/configuration.md,
 * etc/d-back.cfg. And what any file may do to the reader: nothing. */
#include "config_fixture.h"

static char *printed(const struct fixture *fixture, const struct config *config)
{
    struct text_buffer out = { 0 };
    config_print(config, &out);
    char *shown = fixture_shown(fixture, &out);
    text_finish(&out);
    return shown;
}

static void assert_line(const char *text, const char *line)
{
    struct text_buffer wanted = { 0 };
    text_appendf(&wanted, "\n%s\n", line);
    if (!strstr(text, wanted.ptr))
        print_error("this line isn't there: %s\nin:\n%s", line, text);
    assert_non_null(strstr(text, wanted.ptr));
    text_finish(&wanted);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_string_equal(a ? a : "(none)", b ? b : "(none)");
}

static void assert_same_provider(const struct provider_config *a, const struct provider_config *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->file, b->file);
    assert_string_equal(a->options, b->options);
    assert_int_equal(a->deadline_ms, b->deadline_ms);
    assert_true(a->refresh == b->refresh);
    assert_int_equal(a->refresh_set, b->refresh_set);
    assert_int_equal(a->next_on_error, b->next_on_error);
}

/* All that has a meaning; not where it came from. */
static void assert_same(const struct config *a, const struct config *b)
{
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->workers, b->workers);
    assert_string_equal(a->static_dir, b->static_dir);
    assert_int_equal(a->static_dir_is_own, b->static_dir_is_own);
    assert_string_equal(a->plugin_dir, b->plugin_dir);
    assert_int_equal(a->http, b->http);
    assert_int_equal(a->announce_socket_url, b->announce_socket_url);
    assert_int_equal(a->trusted_proxy_count, b->trusted_proxy_count);
    for (size_t i = 0; i < a->trusted_proxy_count; i++)
        assert_memory_equal(&a->trusted_proxies[i], &b->trusted_proxies[i], sizeof a->trusted_proxies[i]);
    assert_int_equal(a->log.level, b->log.level);
    assert_int_equal(a->log.format, b->log.format);
    assert_same_text(a->log.file, b->log.file);
    assert_memory_equal(&a->limits, &b->limits, sizeof a->limits);
    assert_int_equal(a->provider_count, b->provider_count);
    for (size_t i = 0; i < a->provider_count; i++)
        assert_same_provider(&a->providers[i], &b->providers[i]);
    for (int i = 0; i < CAP_COUNT; i++) {
        assert_int_equal(a->routes[i].count, b->routes[i].count);
        assert_memory_equal(a->routes[i].order, b->routes[i].order, a->routes[i].count * sizeof(size_t));
    }
}

/* Prints, reads that from a file elsewhere, compares. */
static void check_round_trip(const struct fixture *fixture, const struct config *config)
{
    struct text_buffer out = { 0 };
    char *shown;
    config_print(config, &out);
    mkdir("elsewhere", 0700);
    write_bytes("elsewhere/printed.cfg", out.ptr, out.len);
    struct config *again =
        fixture_load(fixture, &(struct config_overrides){ .file = "elsewhere/printed.cfg" }, &shown);
    assert_string_equal(shown, "");
    assert_same(config, again);
    config_unref(again);
    free(shown);
    text_finish(&out);
}

/* ------------------------------------------------------------------ --check-config */

static void test_printed(void **state)
{
    write_text("d-back.cfg",
               "workers = 2;\n@include \"more.cfg\"\nproviders = ( {\n  name = \"m\"; plugin = \"mock\";\n"
               "  refresh = 0.5; } );\n");
    write_text("more.cfg", "\nstatic_dir = \"page\";");
    setenv("D_BACK_HOST", "0.0.0.0", 1);
    char *shown;
    struct config *config =
        fixture_load(*state, &(struct config_overrides){ .file = "d-back.cfg", .port = "8080" }, &shown);
    free(shown);
    char *text = printed(*state, config);
    assert_line(text, "host = \"0.0.0.0\";  # environment D_BACK_HOST; needs a restart");
    assert_line(text, "port = 8080;  # --port; needs a restart");
    assert_line(text, "workers = 2;  # d-back.cfg:1; needs a restart");
    assert_line(text, "static_dir = \"FOLDER/page\";  # more.cfg:2; live");
    assert_line(text, "announce_socket_url = true;  # default; live");
    assert_line(text, "  file = \"\";  # default; needs a restart");
    assert_line(text, "  ping_interval = 60;  # default; live");
    assert_line(text, "    plugin = \"mock\";  # d-back.cfg:4; live");
    assert_line(text, "    refresh = 0.5;  # d-back.cfg:5; live");
    assert_line(text, "    on_error = \"stop\";  # default; live");
    assert_line(text, "  users = [\"m\"];  # default; live");
    assert_non_null(strstr(text, "in effect, read from FOLDER/d-back.cfg\n"));
    check_round_trip(*state, config);
    config_unref(config);
    free(text);
}

static void test_printed_without_file(void **state)
{
    char *shown;
    struct config *config = fixture_load(*state, NULL, &shown);
    char *text = printed(*state, config);
    assert_line(text, "#static_dir = \"/the/built-in/page\";  # default; live");
    assert_line(text, "# No providers were configured: the mock it is.");
    assert_line(text, "    #refresh = 10.0;  # default; live");
    assert_non_null(strstr(text, "no file was read"));
    check_round_trip(*state, config);
    config_unref(config);
    free(text);
    free(shown);
}

static void test_secrets(void **state)
{
    struct config *config = load_text(
        *state,
        "providers = ( { name = \"m\"; plugin = \"mock\"; options = { token = \"S1\"; Bot_TOKEN = 52; tokens "
        "= [\"S3\"];\n"
        "  password = { a = \"S4\"; }; passwords = (\"S5\"); api_key = \"S6\"; clientSecretText = \"S7\";\n"
        "  deep = ( { list = ( { secret = \"S8\"; shown = \"yes\"; } ); } ); token_file = \"/shown/token\";\n"
        "  keys_FILE = { password = \"S9\"; other = \"shown too\"; }; passphrase = \"S0\"; dbPwd = \"S0\";\n"
        "  basic_auth = \"S0\"; webhook = \"S0\"; credentials = { cookie = \"S0\"; };\n"
        "  source = \"postgres://ada:S0@db/x\"; sources = [\"plain\", \"http://S0@host/\"];\n"
        "  page = \"http://host/x\"; mail = \"ada@host\"; } ; } );");
    char *text = printed(*state, config);
    assert_null(strstr(text, "52"));
    for (int i = 0; i <= 9; i++) {
        char secret[] = { 'S', (char)('0' + i), '\0' };
        assert_null(strstr(text, secret));
    }
    assert_line(text, "      token = \"********\";");
    assert_line(text, "      Bot_TOKEN = \"********\";");
    assert_line(text, "      password = \"********\";");
    assert_line(text, "      token_file = \"/shown/token\";");
    assert_line(text, "      source = \"********\";");
    assert_line(text, "      sources = [\"plain\", \"********\"];");
    assert_line(text, "      page = \"http://host/x\";");
    assert_line(text, "      mail = \"ada@host\";");
    assert_non_null(strstr(text, "shown = \"yes\""));
    assert_non_null(strstr(text, "other = \"shown too\""));
    assert_non_null(strstr(config->providers[0].options, "\"S4\"")); /* the plugin does get it */
    config_unref(config);
    free(text);
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "static_dir = \"page\"; plugin_dir = \"./plugins\"; workers = \"auto\"; providers = ( ); log = { "
        "file = \"a\\\\b\\\"c\"; };",
        "providers = ( { name = \"a\"; plugin = \"./plugins/team.so\"; refresh = 0.1; on_error = \"next\"; "
        "}, { name = \"b\";\n"
        "  plugin = \"mock\"; refresh = 86400; options = { s = \"q\\\"\\\\ \\x01\\x7f\\t\\n \xe2\x82\xac # "
        "// /* @\"; i = -5; l = 99999999999;\n"
        "  f = 1e300; g = 1e-300; h = 0.1; n = -0.0; z = 100000000000000000000.0; e = (); a = []; o = { };\n"
        "  m = (1, 2.5, \"x\", true, [1, 2], [\"a\", \"b\"], [true], ( ( ) ), { k = { }; }); x-y_z = false; "
        "}; } );\n"
        "routes = { users = [\"b\"]; validate = []; static = [\"b\", \"a\"]; };",
        "trusted_proxies = [\"10.0.0.0/8\", \"::/0\", \"0.0.0.0/0\", \"fe80::1\", \"::ffff:1.2.3.4\"]; http "
        "= false;",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct config *config = load_text(*state, texts[i]);
        check_round_trip(*state, config);
        config_unref(config);
    }
}

static void append_random_value(struct dice *dice, struct text_buffer *out, int depth)
{
    unsigned kind = dice_below(dice, depth > 0 ? 7 : 4), count = dice_below(dice, 4);
    uint64_t bits = dice_roll(dice);
    double number;
    switch (kind) {
    case 0:
        text_appendf(out, "%lld", (long long)bits >> dice_below(dice, 64));
        break;
    case 1:
        memcpy(&number, &bits, sizeof number);
        text_appendf(out, "%.17e", number == number && number - number == 0 ? number : 1.5);
        break;
    case 2:
        text_appendf(out, "%s", bits & 1 ? "true" : "false");
        break;
    case 3:
        text_append_literal(out, "\"");
        for (unsigned i = 0; i < count * 5; i++)
            text_appendf(out, "\\x%02x", 1 + dice_below(dice, 127));
        text_append_literal(out, "\"");
        break;
    case 4:
        text_append_literal(out, "{ ");
        for (unsigned i = 0; i < count; i++) {
            text_appendf(out, "member_%u = ", i);
            append_random_value(dice, out, depth - 1);
            text_append_literal(out, "; ");
        }
        text_append_literal(out, "}");
        break;
    default:
        text_append_literal(out, "(");
        for (unsigned i = 0; i < count; i++) {
            text_appendf(out, "%s", i ? ", " : "");
            append_random_value(dice, out, depth - 1);
        }
        text_append_literal(out, ")");
    }
}

static void append_random_key(struct dice *dice, const struct key *key, struct text_buffer *out)
{
    uint32_t value = key->least + (uint32_t)(dice_roll(dice) % ((uint64_t)key->most - key->least + 1));
    if (dice_below(dice, 2))
        return;
    if (key->kind == KEY_INTEGER || key->kind == KEY_WORKERS)
        text_appendf(out, "%s = %u; ", key->name, value);
    else if (key->kind == KEY_BOOLEAN)
        text_appendf(out, "%s = %s; ", key->name, value & 1 ? "true" : "false");
    else if (key->kind == KEY_DECIMAL)
        text_appendf(out, "%s = %.17e; ", key->name, value / 7.0);
    else if (key->kind == KEY_CHOICE)
        text_appendf(out, "%s = \"%s\"; ", key->name, key->words[dice_below(dice, 2)]);
}

static void append_random_group(struct dice *dice, enum key_group group, struct text_buffer *out)
{
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->group == group)
            append_random_key(dice, key, out);
}

static void test_random_round_trips(void **state)
{
    struct dice dice = dice_create(71);
    for (int round = 0; round < 300; round++) {
        struct text_buffer text = { 0 };
        append_random_group(&dice, GROUP_TOP, &text);
        text_appendf(&text, "\nlog = { ");
        append_random_group(&dice, GROUP_LOG, &text);
        text_appendf(&text, "};\nlimits = { ");
        append_random_group(&dice, GROUP_LIMITS, &text);
        text_appendf(&text, "};\nproviders = ( ");
        unsigned count = dice_below(&dice, 4);
        for (unsigned i = 0; i < count; i++) {
            text_appendf(&text, "%s{ name = \"p%u\"; plugin = \"mock\"; options = { value = ", i ? ", " : "",
                         i);
            append_random_value(&dice, &text, 4);
            text_appendf(&text, "; }; ");
            append_random_group(&dice, GROUP_PROVIDER, &text);
            text_appendf(&text, "}\n");
        }
        text_appendf(&text, ");\n");
        struct config *config = load_text(*state, text.ptr);
        check_round_trip(*state, config);
        config_unref(config);
        text_finish(&text);
    }
}

/* ------------------------------------------------------------------ the page and the sample file */

#define DOC TEST_SOURCE_DIR "/docs/configuration.md"
#define SAMPLE TEST_SOURCE_DIR "/etc/d-back.cfg"

static void test_document(void **state)
{
    (void)state;
    static const char begin_mark[] = "<!-- keys:begin -->\n", end_mark[] = "<!-- keys:end -->\n";
    char *page = read_whole(DOC), *begin = strstr(page, begin_mark), *end = strstr(page, end_mark);
    struct text_buffer table = { 0 };
    config_document(&table);
    text_append(&table, "", 1);
    assert_true(begin && end && begin < end);
    *end = '\0';
    assert_string_equal(begin + strlen(begin_mark), table.ptr);
    for (const struct key *key = keys; key < keys + key_count; key++) {
        char row[100];
        snprintf(row, sizeof row, "\n| `%s` | ", key->name);
        assert_non_null(strstr(table.ptr, row));
        assert_true(strlen(key->name) <= 32 && key->about[0]); /* suggestions look no further than 32 */
    }
    text_finish(&table);
    free(page);
}

/* The examples on the page are right. */
static void test_document_examples(void **state)
{
    static const char mark[] = "```cfg\n";
    char *page = read_whole(DOC), *begin = page;
    int count = 0;
    while ((begin = strstr(begin, mark))) {
        begin += strlen(mark);
        char *end = strstr(begin, "```\n");
        assert_non_null(end);
        *end = '\0';
        struct config *config = load_text(*state, begin);
        check_round_trip(*state, config);
        config_unref(config);
        begin = end + 1;
        count++;
    }
    assert_true(count >= 5);
    free(page);
}

/* Where a line "  #NAME = VALUE;", or without the "#", stands; NULL: there is none. */
static const char *sample_find(const char *sample, const char *line)
{
    for (const char *p = sample; (p = strstr(p, line)); p++) {
        const char *q = p;
        while (q > sample && (q[-1] == '#' || q[-1] == ' '))
            q--;
        if (q == sample || q[-1] == '\n')
            return p;
    }
    return NULL;
}

/* What the file says about the key: the rest of its line, and what precedes it without a blank line between
 * that is not of another key. Caller frees. */
static char *sample_about(const char *sample, const char *key)
{
    const char *begin = key, *end = strchr(key, '\n');
    while (begin > sample && begin[-1] != '\n')
        begin--;
    while (begin > sample) {
        const char *above = begin - 1;
        while (above > sample && above[-1] != '\n')
            above--;
        if (above[0] != '#' || above[1] != ' ')
            break;
        begin = above;
    }
    return xstrndup(begin, (size_t)(end - begin));
}

/* "0 to 5", or with a word about the least: "0 (never) to 5". */
static bool says_range(const char *about, const struct key *key)
{
    char least[20], most[20];
    snprintf(least, sizeof least, "%u", key->least);
    snprintf(most, sizeof most, " to %u", key->most);
    for (const char *p = about; (p = strstr(p, least)); p++) {
        const char *q = p + strlen(least);
        if (strncmp(q, " (", 2) == 0 && strchr(q, ')'))
            q = strchr(q, ')') + 1;
        if (strncmp(q, most, strlen(most)) == 0 && strspn(q + strlen(most), "0123456789") == 0)
            return true;
    }
    return false;
}

static void check_sample_key(const char *sample, const struct key *key)
{
    bool in_words = !key->fallback || key->kind == KEY_FOLDER || key->kind == KEY_SOCKET ||
                    key->kind == KEY_ROUTE || key->kind == KEY_OPTIONS;
    bool text = key->kind == KEY_HOST || key->kind == KEY_FILE || key->kind == KEY_ENDPOINT ||
                key->kind == KEY_CHOICE;
    const char *quote = text ? "\"" : "", *found;
    char line[200];
    if (in_words)
        snprintf(line, sizeof line, "%s = ", key->name);
    else
        snprintf(line, sizeof line, "%s = %s%s%s;", key->name, quote, key->fallback, quote);
    found = sample_find(sample, line);
    if (!found)
        print_error("etc/d-back.cfg has no line %s\n", line);
    assert_non_null(found);
    char *about = sample_about(sample, found);
    bool number = key->kind == KEY_INTEGER || key->kind == KEY_WORKERS || key->kind == KEY_DECIMAL;
    bool right = !number || says_range(about, key);
    for (size_t i = 0; key->words && key->words[i]; i++)
        right = right && strstr(about, key->words[i]);
    if (key->group <= GROUP_CONTROL) /* the other groups say it once for all */
        right = right && strstr(about, key->restart ? "(restart" : "(live");
    else
        right = right && !key->restart;
    if (key->option)
        right = right && strstr(about, key->option) && strstr(about, key->environment);
    if (!right)
        print_error("etc/d-back.cfg says something else about \"%s\" than keys.c:\n%s\n", key->name, about);
    assert_true(right);
    free(about);
}

static void test_sample(void **state)
{
    char *sample = read_whole(SAMPLE);
    struct config *config = load_text(*state, sample);
    assert_int_equal(config->provider_count, 1);
    assert_string_equal(config->providers[0].name, "mock");
    assert_string_equal(config->providers[0].options, "{\"presence_interval\":4.0,\"message_interval\":5.0}");
    for (const struct key *key = keys; key < keys + key_count; key++)
        check_sample_key(sample, key);
    config_unref(config);
    free(sample);
}

/* Puts `new`, which isn't longer, in the place of `old`, which is there once. */
static void put_in_place(char *text, const char *old, const char *new)
{
    char *found = strstr(text, old);
    assert_non_null(found);
    memset(found, ' ', strlen(old));
    memcpy(found, new, strlen(new));
}

/* What is commented out is right, too: keys stand right behind their #, sentences don't. */
static void test_sample_uncommented(void **state)
{
    char *sample = read_whole(SAMPLE);
    for (char *p = sample; (p = strchr(p, '#')); p++)
        if (p[1] >= 'a' && p[1] <= 'z')
            *p = ' ';
    put_in_place(sample, "\"/srv/d-zone\"", "\"page\"");
    put_in_place(sample, "\"/usr/local/lib/d-back/plugins\"", "\"plugins\"");
    struct config *config = load_text(*state, sample);
    assert_true(config->static_dir_is_own);
    config_unref(config);
    free(sample);
}

/* ------------------------------------------------------------------ garbage */

/* However it ends, it ends, and leaves nothing behind. */
static void read_garbage(const struct fixture *fixture, const char *bytes, size_t len)
{
    char *shown;
    write_bytes("d-back.cfg", bytes, len);
    struct config *config = fixture_load(fixture, &(struct config_overrides){ .file = "d-back.cfg" }, &shown);
    if (config) {
        struct text_buffer out = { 0 };
        config_print(config, &out);
        assert_true(utf8_valid(out.ptr, out.len) || !utf8_valid(bytes, len));
        text_finish(&out);
    } else {
        assert_true(utf8_valid(shown, strlen(shown)));
        for (const char *p = shown; *p; p++)
            assert_true((unsigned char)*p >= 0x20 || *p == '\n');
    }
    config_unref(config);
    free(shown);
}

static void test_random_bytes(void **state)
{
    struct dice dice = dice_create(72);
    for (int round = 0; round < 2000; round++) {
        char bytes[300];
        size_t len = dice_below(&dice, sizeof bytes);
        bool text = dice_below(&dice, 2);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(text ? 9 + dice_below(&dice, 118) : dice_below(&dice, 256));
        read_garbage(*state, bytes, len);
    }
}

static void test_random_pieces(void **state)
{
    static const char *const pieces[] = {
        "host",
        "port",
        "log",
        "limits",
        "providers",
        "routes",
        "name",
        "plugin",
        "options",
        "users",
        "trusted_proxies",
        "level",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "=",
        ":",
        ";",
        ",",
        "\"",
        "\"a\"",
        "\"mock\"",
        "1",
        "-1",
        "99999999999",
        "1.5",
        "1e999",
        "0x",
        "0xff",
        "5L",
        "true",
        "\n",
        "\n\n",
        " ",
        "#",
        "//",
        "/*",
        "*/",
        "\\",
        "\\x00",
        "@include \"d-back.cfg\"",
        "@",
        "\r\n",
        "\xff",
        "\xe2\x82\xac",
        ".",
        "+",
        "\"::1\"",
        "refresh",
        "*",
        "@include",
        "\"10.0.0.0/8\"",
    };
    struct dice dice = dice_create(73);
    for (int round = 0; round < 4000; round++) {
        struct text_buffer text = { 0 };
        for (unsigned i = dice_below(&dice, 40); i > 0; i--)
            text_appendf(&text, "%s%s", pieces[dice_below(&dice, ARRAY_LENGTH(pieces))],
                         dice_below(&dice, 2) ? " " : "");
        read_garbage(*state, text.ptr ? text.ptr : "", text.len);
        text_finish(&text);
    }
}

/* A good file with a few bytes changed, taken out or doubled. */
static void test_damaged_sample(void **state)
{
    static const char whole[] =
        "host = \"a\"; port = 1; trusted_proxies = [\"10.0.0.0/8\", \"::1\"]; log = { level = \"info\"; };\n"
        "limits = { frame_size = 2048; users = 5; }; /* c */ // d\nproviders = ( { name = \"m\"; plugin = "
        "\"mock\";\n"
        "options = { a = [1, 2]; b = (\"x\", { c = 1.5; }); token = \"t\"; }; refresh = 1.5; } );\n"
        "routes = { users = [\"m\"]; validate = []; };\n";
    struct dice dice = dice_create(74);
    for (int round = 0; round < 4000; round++) {
        char bytes[sizeof whole];
        size_t len = sizeof whole - 1;
        memcpy(bytes, whole, sizeof whole);
        for (unsigned i = 1 + dice_below(&dice, 4); i > 0; i--) {
            size_t at = dice_below(&dice, (unsigned)len - 20), span = 1 + dice_below(&dice, 16);
            if (dice_below(&dice, 2))
                bytes[at] = (char)dice_below(&dice, 256);
            else
                memmove(&bytes[at], &bytes[at + span], len - at - span), len -= span;
        }
        read_garbage(*state, bytes, len);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_printed),
        TEST(test_printed_without_file),
        TEST(test_secrets),
        TEST(test_round_trip),
        TEST(test_random_round_trips),
        TEST(test_document),
        TEST(test_document_examples),
        TEST(test_sample),
        TEST(test_sample_uncommented),
        TEST(test_random_bytes),
        TEST(test_random_pieces),
        TEST(test_damaged_sample),
    };
    return cmocka_run_group_tests_name("config printing", tests, NULL, NULL);
}
