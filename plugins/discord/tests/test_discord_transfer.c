/* Requests while d-back has neither a watch nor a timer to spare: slow, but they come through, and those
 * after them as well. */
#include "check/host.h"
#include "exchange.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define SLICE_MS 10

struct scene {
    struct check_host *host;
    struct alarms alarms;
    struct transfers transfers;
    struct exchange exchange;
    struct url base;
    int listener, status;
    bool done;
};

static void on_exchanged(void *arg, const struct exchange_result *result)
{
    struct scene *scene = arg;
    scene->done = true;
    scene->status = result->status;
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Whoever has connected is answered, and the connection closed. */
static void serve(const struct scene *scene)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    char request[4096];
    int fd = accept(scene->listener, NULL, NULL);
    if (fd < 0)
        return;
    for (int i = 0; i < PATIENCE_MS / SLICE_MS; i++) { /* its request first */
        check_host_run(scene->host, SLICE_MS, false);
        if (recv(fd, request, sizeof request, MSG_DONTWAIT) > 0)
            break;
    }
    assert_int_equal(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL), sizeof answer - 1);
    close(fd);
}

static void ask(struct scene *scene)
{
    const struct exchange_setup setup = { .base = &scene->base, .ca_file = "", .path = "/x" };
    scene->done = false;
    assert_true(exchange_start(&scene->exchange, &scene->transfers, &setup, on_exchanged, scene));
    for (int waited = 0; !scene->done && waited < PATIENCE_MS; waited += SLICE_MS) {
        serve(scene);
        check_host_run(scene->host, SLICE_MS, false);
    }
    assert_true(scene->done);
    assert_int_equal(scene->status, 200);
}

static void t_a_host_without_watches_and_timers(void **state)
{
    (void)state;
    char error[256], text[64];
    uint16_t port = 0;
    struct scene *scene = calloc(1, sizeof *scene);
    scene->host = check_host_new(NULL, 10);
    scene->listener = listen_on_loopback(&port);
    snprintf(text, sizeof text, "http://127.0.0.1:%u", port);
    assert_true(url_parse(&scene->base, text, "http", "https", error, sizeof error));
    assert_true(alarms_init(&scene->alarms, check_host_interface(scene->host)));
    assert_true(transfers_init(&scene->transfers, &scene->alarms, error, sizeof error));
    ask(scene);
    check_host_set_stingy(scene->host, true);
    ask(scene);
    check_host_set_stingy(scene->host, false);
    ask(scene);
    transfers_finish(&scene->transfers);
    alarms_finish(&scene->alarms);
    assert_int_equal(check_host_belongings(scene->host).watches, 0);
    assert_int_equal(check_host_belongings(scene->host).timers, 0);
    assert_int_equal(check_host_count(scene->host).problems, 0);
    close(scene->listener);
    check_host_free(scene->host);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(t_a_host_without_watches_and_timers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
