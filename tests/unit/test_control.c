/* The control room's small parts: routes, the JSON of answers, the token, the socket's file, the pulse and
 * what /healthz makes of it, the journal. */
#include "testing.h"

#include "app/core.h"
#include "base/journal.h"
#include "base/pulse.h"
#include "control/health.h"
#include "control/inside.h"
#include "control/json.h"
#include "edge/edge.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------ routes -------------------------------------------------------------------- */

static void free_all(char *parameters[PARAMETERS_MAX])
{
    for (size_t i = 0; i < PARAMETERS_MAX; i++)
        free(parameters[i]);
}

/* The path of the route, its parameters joined by "|"; "405 METHODS", or "404". */
static void assert_routed(const char *method, const char *path, const char *wanted)
{
    char *parameters[PARAMETERS_MAX] = { 0 };
    struct text_buffer allowed = { 0 }, got = { 0 };
    const struct route *route = route_find(method, path, parameters, &allowed);
    if (route)
        text_appendf(&got, "%s", route->path);
    else if (allowed.len)
        text_appendf(&got, "405 %.*s", (int)allowed.len, allowed.ptr);
    else
        text_appendf(&got, "404");
    for (size_t i = 0; i < PARAMETERS_MAX && parameters[i]; i++)
        text_appendf(&got, "|%s", parameters[i]);
    assert_string_equal(got.ptr, wanted);
    free_all(parameters);
    text_finish(&allowed);
    text_finish(&got);
}

static void test_routes(void **state)
{
    (void)state;
    assert_routed("GET", "/healthz", "/healthz");
    assert_routed("POST", "/healthz", "405 GET, HEAD");
    assert_routed("DELETE", "/v1/log-level", "405 GET, HEAD, PUT");
    assert_routed("GET", "/v1/servers/full/users", "/v1/servers/{id}/users|full");
    assert_routed("GET", "/v1/servers/a%2Fb%20%C3%A4/users", "/v1/servers/{id}/users|a/b \xc3\xa4");
    assert_routed("DELETE", "/v1/clients/17", "/v1/clients/{id}|17");
    static const char *const unknown[] = { "",
                                           "/",
                                           "healthz",
                                           "/healthz/",
                                           "//healthz",
                                           "/healthzz",
                                           "/v1/servers/full",
                                           "/v1/servers//users",
                                           "/v1/servers/full/users/",
                                           "/v1/servers/%/users",
                                           "/v1/servers/%4/users",
                                           "/v1/servers/%00/users",
                                           "/v1/servers/%ff/users",
                                           "/v1/servers/%c3/users",
                                           "/v1/servers/%zz/users" };
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_routed("GET", unknown[i], "404");
}

/* Whatever is asked for, it is decided, and what is decoded is text. */
static void test_random_paths(void **state)
{
    static const char *const pieces[] = { "/",      "v1",  "servers", "users",   "%41", "%",
                                          "%0",     "%zz", "{id}",    "clients", "17",  "\xc3\xa4",
                                          "%c3%a4", "?",   "..",      "%2e",     "x" };
    struct dice dice = dice_create(90);
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct text_buffer path = { 0 }, allowed = { 0 };
        char *parameters[PARAMETERS_MAX] = { 0 };
        text_appendf(&path, "/");
        for (unsigned n = dice_below(&dice, 10); n > 0; n--)
            text_appendf(&path, "%s", pieces[dice_below(&dice, ARRAY_LENGTH(pieces))]);
        route_find(dice_below(&dice, 2) ? "GET" : "POST", path.ptr, parameters, &allowed);
        for (size_t i = 0; i < PARAMETERS_MAX; i++)
            assert_true(!parameters[i] || utf8_valid(parameters[i], strlen(parameters[i])));
        free_all(parameters);
        text_finish(&path);
        text_finish(&allowed);
    }
}

/* Each route is there once, and none hides another. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        char *parameters[PARAMETERS_MAX] = { 0 };
        struct text_buffer allowed = { 0 };
        assert_ptr_equal(route_find(routes[i].method, routes[i].path, parameters, &allowed), &routes[i]);
        free_all(parameters);
        text_finish(&allowed);
    }
}

/* ------------------ JSON ---------------------------------------------------------------------- */

static void test_json(void **state)
{
    struct text_buffer out = { 0 };
    struct json json = { .out = &out };
    (void)state;
    json_open(&json, NULL, '{');
    json_text(&json, "text", STR("a\"b\\\n\x01"));
    json_text(&json, "broken", STR("x\xff\xc3"));
    json_text_if(&json, "none", STR(""));
    json_open(&json, "list", '[');
    json_open(&json, NULL, '{');
    json_close(&json, '}');
    json_count(&json, NULL, UINT64_MAX);
    json_seconds(&json, NULL, 1.0000015);
    json_seconds(&json, NULL, -1);
    json_flag(&json, NULL, true);
    json_nothing(&json, NULL);
    json_verbatim(&json, NULL, STR("[1]"));
    json_close(&json, ']');
    json_flag(&json, "last", false);
    json_close(&json, '}');
    text_append(&out, "", 1);
    assert_string_equal(
        out.ptr, "{\"text\":\"a\\\"b\\\\\\n\\u0001\",\"broken\":\"x\xef\xbf\xbd\xef\xbf\xbd\",\"list\":[{},"
                 "18446744073709551615,1.000002,0.000000,true,null,[1]],\"last\":false}");
    text_finish(&out);
}

/* ------------------ the token ----------------------------------------------------------------- */

#define TOKEN "0123456789abcdef"

static void write_token(const char *text, mode_t mode)
{
    int fd = open("token", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_token(void **state)
{
    char err[ERR_SIZE];
    (void)state;
    write_token("  " TOKEN " \r\nsecond line\n", 0640);
    assert_int_equal(token_check("token", err), 0);
    assert_true(token_matches("token", "Bearer " TOKEN));
    assert_true(token_matches("token", "bearer   " TOKEN "  "));
    static const char *const wrong[] = { NULL,
                                         "",
                                         "Bearer",
                                         "Bearer ",
                                         TOKEN,
                                         "Basic " TOKEN,
                                         "Bearer " TOKEN "0",
                                         "Bearer 0123456789abcdeF",
                                         "Bearer 0123456789abcde",
                                         "Bearer second line" };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_false(token_matches("token", wrong[i]));
    struct text_buffer text = { 0 };
    text_appendf(&text, "Bearer ");
    for (int i = 0; i < 513; i++)
        text_appendf(&text, "x");
    assert_false(token_matches("token", text.ptr));
    write_token(text.ptr + 8, 0600); /* 512 of them */
    assert_true(text.ptr[6] == ' ' && token_check("token", err) == 0);
    text.ptr[text.len - 1] = '\0';
    assert_true(token_matches("token", text.ptr));
    text_finish(&text);
}

static void test_no_token_lets_nobody_in(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
    } bad[] = { { "", 0600 }, { "\n", 0600 }, { "short", 0600 }, { TOKEN, 0604 } };
    char err[ERR_SIZE];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct text_buffer header = { 0 };
        write_token(bad[i].text, bad[i].mode);
        text_appendf(&header, "Bearer %s", bad[i].text);
        assert_true(token_check("token", err) < 0);
        assert_false(token_matches("token", header.ptr));
        assert_false(token_matches("token", "Bearer "));
        text_finish(&header);
    }
    assert_int_equal(unlink("token"), 0);
    assert_false(token_matches("token", "Bearer " TOKEN));
    assert_int_equal(mkdir("token", 0700), 0);
    assert_false(token_matches("token", "Bearer " TOKEN));
    assert_true(token_check("token", err) < 0);
    assert_int_equal(rmdir("token"), 0);
    assert_int_equal(mkfifo("token", 0600), 0);
    assert_false(token_matches("token", "Bearer " TOKEN)); /* and doesn't wait for it */
    assert_int_equal(unlink("token"), 0);
}

/* ------------------ the socket ---------------------------------------------------------------- */

static int connect_to(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    strcpy(name.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), result = connect(fd, (struct sockaddr *)&name, sizeof name);
    close(fd);
    return result;
}

static void test_socket_file(void **state)
{
    struct control_socket first = { 0 }, second = { 0 };
    struct stat st;
    char err[ERR_SIZE];
    (void)state;
    int fd = control_socket_listen(&first, "s", false, err);
    assert_true(fd >= 0);
    assert_int_equal(stat("s", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(connect_to("s"), 0);
    assert_true(control_socket_listen(&second, "s", false, err) < 0);
    assert_non_null(strstr(err, "another d-back (process "));
    control_socket_remove(&second);
    assert_int_equal(connect_to("s"), 0);
    assert_int_equal(unlink("s"), 0); /* somebody has been there */
    int other = control_socket_listen(&second, "s", false, err);
    assert_true(other >= 0);
    control_socket_remove(&first); /* isn't its own */
    assert_int_equal(connect_to("s"), 0);
    close(fd);
    close(other); /* as if it had been killed: the file stays */
    free(second.path);
    fd = control_socket_listen(&first, "s", false, err);
    assert_true(fd >= 0);
    assert_int_equal(connect_to("s"), 0);
    control_socket_remove(&first);
    assert_int_equal(stat("s", &st), -1);
    control_socket_remove(&first);
    close(fd);
}

/* Of daemons that start together exactly one gets it, whatever a dead one has left. */
static void test_socket_race(void **state)
{
    char err[ERR_SIZE];
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct control_socket stale = { 0 };
        int winners = 0, pipes[2], status;
        close(control_socket_listen(&stale, "s", false, err));
        free(stale.path);
        assert_int_equal(pipe(pipes), 0);
        for (int child = 0; child < 8; child++) {
            if (fork() == 0) {
                struct control_socket own = { 0 };
                char go;
                close(pipes[1]);
                ssize_t n = read(pipes[0], &go, 1); /* all begin when the other end closes */
                int fd = control_socket_listen(&own, "s", false, err);
                if (fd >= 0)
                    usleep(200000);
                free(own.path);
                _exit(n == 0 && fd >= 0 ? 7 : 0);
            }
        }
        close(pipes[0]);
        close(pipes[1]);
        while (wait(&status) > 0)
            winners += WEXITSTATUS(status) == 7;
        assert_int_equal(winners, 1);
        unlink("s");
    }
}

static void test_socket_folder(void **state)
{
    struct control_socket s = { 0 };
    char err[ERR_SIZE];
    (void)state;
    int fd = control_socket_listen(&s, "folder/s", true, err);
    assert_true(fd >= 0);
    close(fd);
    control_socket_remove(&s);
    assert_int_equal(chmod("folder", 0777), 0);
    assert_true(control_socket_listen(&s, "folder/s", true, err) < 0);
    assert_non_null(strstr(err, "isn't a folder that only this user may write to"));
    assert_int_equal(rmdir("folder"), 0);
    assert_int_equal(symlink("/tmp", "folder"), 0);
    assert_true(control_socket_listen(&s, "folder/s", true, err) < 0);
    assert_int_equal(unlink("folder"), 0);
    assert_true(control_socket_listen(&s, "nowhere/s", false, err) < 0);
    assert_non_null(strstr(err, "can't use the folder nowhere"));
}

/* ------------------ the journal --------------------------------------------------------------- */

static void test_journal(void **state)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "journal" };
    struct stat st;
    char stream[64], entry[512];
    int pipes[2], journal = socket(AF_UNIX, SOCK_DGRAM, 0);
    (void)state;
    assert_int_equal(journal_open("journal"), -1);
    assert_int_equal(bind(journal, (struct sockaddr *)&name, sizeof name), 0);
    int fd = journal_open("journal");
    assert_true(fd >= 0);
    assert_true(journal_send(fd, LOG_WARN, &(struct log_source){ "edge/0", 17, "::1" }, STR("viewer left")));
    ssize_t n = recv(journal, entry, sizeof entry - 1, 0);
    assert_true(n > 0);
    entry[n] = '\0';
    assert_string_equal(entry,
                        "SYSLOG_IDENTIFIER=d-back\nPRIORITY=4\nDBACK_ROOM=edge/0\nDBACK_CONNECTION=17\n"
                        "DBACK_PEER=::1\nMESSAGE=viewer left\n");
    close(journal);
    assert_false(journal_send(fd, LOG_INFO, &(struct log_source){ .room = "core" }, STR("nobody hears it")));
    close(fd);
    assert_int_equal(unlink("journal"), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(fstat(pipes[0], &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    assert_true(journal_is(stream, pipes[0]));
    assert_false(journal_is(stream, STDIN_FILENO));
    assert_false(journal_is(NULL, pipes[0]));
    assert_false(journal_is("", pipes[0]));
    assert_false(journal_is("1:", pipes[0]));
    close(pipes[0]);
    close(pipes[1]);
}

/* ------------------ health -------------------------------------------------------------------- */

/* A core whose loop has stopped is told of, by name. */
static void test_health(void **state)
{
    char err[ERR_SIZE];
    struct text_buffer mistakes = { 0 }, out = { 0 };
    struct json json = { .out = &out };
    struct control control = { 0 };
    struct config *config;
    struct log *log;
    (void)state;
    FILE *file = fopen("d-back.cfg", "w");
    fputs("host = \"127.0.0.1\"; port = 0; providers = ();", file);
    fclose(file);
    assert_int_equal(config_load(&config, &(struct config_overrides){ .file = "d-back.cfg" }, &mistakes), 0);
    assert_int_equal(log_create(&log, LOG_ERROR, LOG_TEXT, NULL, err), 0);
    assert_int_equal(edge_create(&control.edge, config, NULL, 0, log, err), 0);
    control.core = core_create(&(struct core_setup){ .log = log, .config = config, .worker_count = 1 });
    pulse_beat(&control.core->pulse, CORE_TICK_MS);
    assert_true(health_write(&control, &json));
    usleep((HEALTHY_SILENCE_MS + 50) * 1000);
    pulse_beat(&control.pulse, CONTROL_TICK_MS);
    out.len = 0;
    json.comma = false;
    assert_false(health_write(&control, &json));
    text_append(&out, "", 1);
    assert_non_null(strstr(out.ptr, "\"core\":\"its loop hasn't turned for 1"));
    assert_non_null(strstr(out.ptr, "\"edge/0\":\"ok\",\"control\":\"ok\""));
    text_finish(&out);
    core_destroy(control.core);
    edge_destroy(control.edge);
    log_destroy(log);
    config_unref(config);
    assert_int_equal(unlink("d-back.cfg"), 0);
}

/* ------------------ the pulse ----------------------------------------------------------------- */

static void test_pulse(void **state)
{
    struct pulse pulse = { 0 };
    (void)state;
    assert_int_equal(pulse_silence_ms(&pulse), 0);
    assert_int_equal(pulse_delay_ns(&pulse, 10), 0);
    pulse_beat(&pulse, 1000);
    usleep(30000);
    assert_true(pulse_silence_ms(&pulse) >= 30);
    assert_int_equal(pulse_delay_ns(&pulse, 3600000), 0);
    assert_true(pulse_delay_ns(&pulse, 10) >= 20000000u); /* one is overdue */
    pulse_beat(&pulse, 10);
    assert_true(pulse_delay_ns(&pulse, 3600000) >= 20000000u); /* it is remembered */
    pulse_end(&pulse);
    assert_int_equal(pulse_silence_ms(&pulse), 0);
}

/* ---------------------------------------------------------------------------------------------- */

static int enter_folder(void **state)
{
    char *folder = xstrdup("/tmp/dback-test-XXXXXX");
    *state = mkdtemp(folder);
    return chdir(folder);
}

static int leave_folder(void **state)
{
    char *folder = *state;
    int result = chdir("/") < 0 ? -1 : rmdir(folder);
    if (result < 0) { /* what a failed test left */
        struct text_buffer command = { 0 };
        text_appendf(&command, "rm -r %s", folder);
        result = system(command.ptr);
        text_finish(&command);
    }
    free(folder);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_random_paths),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),
        cmocka_unit_test_setup_teardown(test_token, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_no_token_lets_nobody_in, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_socket_file, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_socket_race, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_socket_folder, enter_folder, leave_folder),
        cmocka_unit_test(test_pulse),
        cmocka_unit_test_setup_teardown(test_health, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_journal, enter_folder, leave_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
