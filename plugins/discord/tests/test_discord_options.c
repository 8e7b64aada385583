/* Options, URLs and secrets. */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------ URLs ---------------------------------------------------------------------- */

static void url(const char *text, bool good, bool tls, const char *host, unsigned port, const char *path)
{
    struct url url;
    char error[256] = "";
    assert_int_equal(url_parse(&url, text, "http", "https", error, sizeof error), good);
    assert_int_equal(*error != '\0', !good);
    if (!good)
        return;
    assert_int_equal(url.tls, tls);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.path, path);
}

static void t_urls(void **state)
{
    (void)state;
    url("https://discord.com/api/v10", true, true, "discord.com", 443, "/api/v10");
    url("https://discord.com/api/v10/", true, true, "discord.com", 443, "/api/v10");
    url("HTTPS://discord.com", true, true, "discord.com", 443, "");
    url("https://[2001:db8::1]:8443/x", true, true, "2001:db8::1", 8443, "/x");
    url("http://127.0.0.1:80/api", true, false, "127.0.0.1", 80, "/api");
    url("http://127.9.9.9/", true, false, "127.9.9.9", 80, "");
    url("http://localhost:3000", true, false, "localhost", 3000, "");
    url("http://[::1]:3000", true, false, "::1", 3000, "");
    static const char *const wrong[] = { "",
                                         "discord.com",
                                         "ftp://discord.com",
                                         "http://discord.com",
                                         "http://localhost.example",
                                         "http://127.0.0.1.example",
                                         "http://128.0.0.1",
                                         "http://[::2]",
                                         "https://",
                                         "https://:443",
                                         "https://a:0",
                                         "https://a:65536",
                                         "https://a:x",
                                         "https://a:",
                                         "https://a:123456",
                                         "https://u@discord.com",
                                         "https://u:p@discord.com",
                                         "https://a/?q",
                                         "https://a/#f",
                                         "https://a?q",
                                         "https://a/b c",
                                         "https://[::1",
                                         "https://[::1]x",
                                         "https://a\r\nb/" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        url(wrong[i], false, false, "", 0, "");
}

static void t_authorities(void **state)
{
    (void)state;
    struct url parsed;
    char error[256], text[300];
    assert_true(url_parse(&parsed, "https://[2001:db8::1]:8443", "http", "https", error, sizeof error));
    url_authority(&parsed, text, sizeof text);
    assert_string_equal(text, "[2001:db8::1]:8443");
    assert_true(url_parse(&parsed, "https://discord.com", "http", "https", error, sizeof error));
    url_authority(&parsed, text, sizeof text);
    assert_string_equal(text, "discord.com");
}

/* ------------------ secrets ------------------------------------------------------------------- */

static char file[64];

static void write_file(const void *bytes, size_t len, mode_t mode)
{
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    fclose(out);
    chmod(file, mode);
}

static bool reads(const char *text, size_t len, mode_t mode, const char *expected)
{
    char value[SECRET_MAX + 1] = "", error[512] = "";
    write_file(text, len, mode);
    bool good = secret_read("token_file", file, value, NULL, error, sizeof error);
    assert_int_equal(*error != '\0', !good);
    if (good)
        assert_string_equal(value, expected);
    else
        assert_null(*text ? strstr(error, text) : NULL); /* the sentence doesn't tell it */
    return good;
}

static void t_secrets(void **state)
{
    (void)state;
    char longest[SECRET_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SECRET_MAX + 1] = '\0';
    assert_true(reads(" secret\r\n", 9, 0600, "secret"));
    assert_true(reads("two words", 9, 0640, "two words"));
    assert_true(reads("x", 1, 0400, "x"));
    assert_false(reads("secret", 6, 0604, ""));
    assert_false(reads("secret", 6, 0602, ""));
    assert_false(reads("secret", 6, 0620, ""));
    assert_false(reads("", 0, 0600, ""));
    assert_false(reads(" \n ", 3, 0600, ""));
    assert_false(reads("one\ntwo", 7, 0600, ""));
    assert_false(reads("~\0~", 3, 0600, ""));
    assert_false(reads(longest, SECRET_MAX + 1, 0600, ""));
    char value[SECRET_MAX + 1], error[512];
    assert_false(secret_read("token_file", "/", value, NULL, error, sizeof error));
    assert_false(secret_read("token_file", "relative", value, NULL, error, sizeof error));
}

static void t_a_changed_file_is_noticed(void **state)
{
    (void)state;
    char value[SECRET_MAX + 1], error[512];
    struct secret_mark mark;
    write_file("one", 3, 0600);
    assert_true(secret_read("token_file", file, value, &mark, error, sizeof error));
    assert_false(secret_changed(file, &mark));
    write_file("longer", 6, 0600);
    assert_true(secret_changed(file, &mark));
}

static void t_tokens(void **state)
{
    (void)state;
    char good[] = " Bot abc.def ", bad[] = "abc def", empty[] = " \n", control[] = "a\x01";
    assert_true(secret_clean_token(good));
    assert_string_equal(good, "abc.def");
    assert_false(secret_clean_token(bad));
    assert_false(secret_clean_token(empty));
    assert_false(secret_clean_token(control));
}

/* ------------------ options ------------------------------------------------------------------- */

static int32_t read_options(struct options *options, const char *rest, char *error, size_t size)
{
    char text[4096];
    snprintf(text, sizeof text, "{\"token_file\":\"%s\",%s}", file, rest);
    return options_read(options, dback_text(text), error, size);
}

static void t_defaults(void **state)
{
    (void)state;
    struct options o;
    char error[512];
    write_file("the-token", 9, 0600);
    assert_int_equal(read_options(&o, "\"guilds\":\"all\"", error, sizeof error), DBACK_OK);
    assert_true(o.all_guilds && o.mode == MODE_GATEWAY && !o.has_gateway);
    assert_string_equal(o.token, "the-token");
    assert_string_equal(o.api.host, "discord.com");
    assert_int_equal(o.unknown_status, DBACK_STATUS_OFFLINE);
    const struct guild_options *g = options_of_guild(&o, 5);
    assert_non_null(g);
    assert_true(g->ignore_bots && g->public_channels_only && !g->hide_offline && !g->passworded);
    assert_int_equal(g->max_users, 5000);
    options_finish(&o);
}

static void t_a_guild_has_the_common_options_and_its_own(void **state)
{
    (void)state;
    struct options o;
    char error[512] = "";
    assert_int_equal(read_options(&o,
                                  "\"hide_offline\":true,\"ignore_users\":[\"9\",\"3\"],\"max_users\":7,"
                                  "\"guilds\":[\"1\",{\"guild\":\"2\",\"id\":\"two\",\"hide_offline\":false,"
                                  "\"ignore_users\":[\"4\"]}]",
                                  error, sizeof error),
                     DBACK_OK);
    assert_false(o.all_guilds);
    assert_null(options_of_guild(&o, 3));
    const struct guild_options *one = options_of_guild(&o, 1), *two = options_of_guild(&o, 2);
    assert_true(one->hide_offline && ids_has(&one->ignore_users, 3) && ids_has(&one->ignore_users, 9));
    assert_false(ids_has(&one->ignore_users, 4));
    assert_string_equal(one->id, "");
    assert_false(two->hide_offline);
    assert_true(ids_has(&two->ignore_users, 4) && !ids_has(&two->ignore_users, 3));
    assert_string_equal(two->id, "two");
    assert_int_equal(two->max_users, 7);
    options_finish(&o);
}

static void t_wrong_ones_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\"x\":1",
        "\"guilds\":5",
        "\"guilds\":[\"1\"],\"guilds\":[\"2\"]",
        "\"guilds\":[{\"id\":\"x\"}]",
        "\"guilds\":[{\"guild\":\"1\",\"id\":\"default\"}]",
        "\"guilds\":[{\"guild\":\"1\",\"alias\":\"\"}]",
        "\"guilds\":\"all\",\"hide_offline\":1",
        "\"guilds\":\"all\",\"ignore_users\":\"1\"",
        "\"guilds\":\"all\",\"poll_interval\":0",
        "\"guilds\":\"all\",\"ca_file\":\"relative\"",
        "\"guilds\":\"all\",\"api_base\":5",
        "\"guilds\":\"all\",\"gateway_url\":\"https://discord.com\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct options o;
        char error[512] = "";
        assert_int_equal(read_options(&o, wrong[i], error, sizeof error), DBACK_INVALID);
        assert_true(*error != '\0');
        options_finish(&o);
    }
}

static int make_file(void **state)
{
    (void)state;
    strcpy(file, "/tmp/d-back-test-XXXXXX");
    int fd = mkstemp(file);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_urls),
        cmocka_unit_test(t_authorities),
        cmocka_unit_test(t_secrets),
        cmocka_unit_test(t_a_changed_file_is_noticed),
        cmocka_unit_test(t_tokens),
        cmocka_unit_test(t_defaults),
        cmocka_unit_test(t_a_guild_has_the_common_options_and_its_own),
        cmocka_unit_test(t_wrong_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
