/* crowd: viewers who come and go, thousands of them, each of whom minds that it is sent everything, once, and
 * in order. harness/crowd.py builds and drives it.
 *
 *   crowd PORT COUNT SERVERS     viewers of clock0, clock1, ... of clocks.so, at 127.0.0.1:PORT
 *
 * The clock of a server changes its colour to #000001, #000002, ... and says the number after each (see
 * tests/plugins/clocks.c). So what a viewer may be sent next is known from its snapshot on: the colour after
 * the one that it was shown, or the number that goes with it, and nothing of any other server. A new snapshot
 * of the same server may be later than that, never earlier.
 *
 * A third of them stay. The others, in equal numbers,
 *   wander    join another server, join theirs once more, leave and come back, say goodbye or don't
 *   surge     leave all at once, and come back all at once
 *   drip      read little at a time, through a small window
 *   nap       read nothing for some seconds, then all that waits: they fall behind
 *   quit      are gone again before they have read their snapshot to its end
 *
 * Each line on standard input is answered with one JSON object; after the line "rest" all of them come, stay,
 * and read. When standard input ends, so does it.
 */
#define _GNU_SOURCE
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define READ_SIZE (256 * 1024)
#define SIP_SIZE 4096
#define SMALL_WINDOW 4096
#define TURN_MS 10
#define SURGE_MS 3000
#define AT_ONCE 200 /* on their way in */
/* One source address has too few ports for those who were there a minute ago. */
#define VIEWERS_PER_ADDRESS 100

struct crowd crowd;
static struct viewer *viewers;
static unsigned count, port, goal[SERVERS_MAX];
static int epoll;
static bool resting, ebb; /* between a surge's going and its coming */
static uint64_t begun, cut;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

unsigned pick(unsigned bound)
{
    return (unsigned)random() % bound;
}

void complain(const struct viewer *v, const char *format, ...)
{
    va_list args;
    if (crowd.wrong++)
        return;
    static const char *const kinds[KINDS] = { "stays", "wanders", "surges", "drips", "naps", "quits" };
    int at =
        snprintf(crowd.why, sizeof crowd.why, "viewer %u, who %s: ", (unsigned)(v - viewers), kinds[v->kind]);
    va_start(args, format);
    vsnprintf(crowd.why + at, sizeof crowd.why - (size_t)at, format, args);
    va_end(args);
    for (char *c = crowd.why; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
            *c = '\'';
}

/* ------------------ the end ------------------------------------------------------------------- */

static void go_away(struct viewer *v, uint64_t until_ms)
{
    crowd.on_the_way -= v->state == UPGRADING || v->state == LISTING;
    close(v->fd);
    free(v->bytes);
    free(v->text);
    *v = (struct viewer){ .fd = -1, .kind = v->kind, .state = AWAY, .act_ms = until_ms };
}

void lose(struct viewer *v, const char *how)
{
    if (v->state != LEAVING) {
        complain(v, "the connection ended in state %d (%s)", v->state, how);
        crowd.lost++;
    }
    go_away(v, now_ms() + pick(300));
}

/* Without a word; with a reset, so that what was sent and not read is thrown away on both sides. */
static void abort_connection(struct viewer *v, uint64_t until_ms)
{
    struct linger at_once = { .l_onoff = 1 };
    setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    go_away(v, until_ms);
}

/* ------------------ what goes out ------------------------------------------------------------- */

void send_frame(struct viewer *v, int opcode, const char *payload, size_t len)
{
    unsigned char frame[256] = { (unsigned char)(0x80 | opcode), (unsigned char)(0x80 | len), 0, 0, 0, 0 };
    memcpy(frame + 6, payload, len); /* masked with zeros */
    if (send(v->fd, frame, 6 + len, MSG_NOSIGNAL) < 0)
        lose(v, "it can't be written to");
}

void ask(struct viewer *v, unsigned server)
{
    char text[100];
    v->asked = server;
    v->asking = true;
    int len = snprintf(text, sizeof text, "{\"type\":\"connect\",\"data\":{\"server\":\"clock%u\"}}", server);
    send_frame(v, 1, text, (size_t)len);
}

static void say_goodbye(struct viewer *v)
{
    send_frame(v, 8, "\x03\xe9", 2);
    if (v->state != AWAY)
        v->state = LEAVING;
}

static void read_some(struct viewer *v, size_t most)
{
    if (v->capacity - v->len < most)
        v->bytes = realloc(v->bytes, v->capacity = v->len + most);
    if (!v->bytes)
        abort();
    ssize_t n = recv(v->fd, v->bytes + v->len, most, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(v, n ? strerror(errno) : "end of file");
        return;
    }
    v->len += (size_t)n;
    take_bytes(v);
}

/* ------------------ what they do -------------------------------------------------------------- */

static void listen_to(struct viewer *v, bool deaf)
{
    struct epoll_event event = { .events = deaf ? 0 : EPOLLIN, .data.ptr = v };
    v->deaf = deaf;
    epoll_ctl(epoll, EPOLL_CTL_MOD, v->fd, &event);
}

static void come(struct viewer *v)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    uint32_t address = 0x7f010000u + (uint32_t)(begun++ / VIEWERS_PER_ADDRESS % 60000) + 1;
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = v };
    int small = SMALL_WINDOW;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->kind == DRIPS || v->kind == NAPS || v->kind == QUITS)
        setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (v->fd < 0 || bind(v->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(v->fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        send(v->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, v->fd, &event) < 0) {
        fprintf(stderr, "crowd: can't connect: %s\n", strerror(errno));
        exit(1);
    }
    v->state = UPGRADING;
    crowd.on_the_way++;
}

/* Somebody who watches; when it does the next thing is set already. */
static void act(struct viewer *v, uint64_t now)
{
    unsigned roll = pick(10);
    switch (v->kind) {
    case WANDERS:
        if (v->asking)
            return;
        if (roll < 4)
            ask(v, pick(crowd.servers));
        else if (roll < 6)
            ask(v, v->server);
        else if (roll < 8)
            say_goodbye(v);
        else
            abort_connection(v, now + pick(500));
        return;
    case SURGES:
        if (ebb && roll < 5)
            say_goodbye(v);
        else if (ebb)
            abort_connection(v, 0);
        return;
    case NAPS:
        listen_to(v, !v->deaf);
        v->act_ms = now + (v->deaf ? 4000 + pick(4000) : 500 + pick(1000));
        return;
    case QUITS: /* its snapshot came to its end before it could go */
        abort_connection(v, now + pick(500));
        return;
    default:
        return;
    }
}

static void take_turn(struct viewer *v, uint64_t now)
{
    if (v->kind == DRIPS && v->state != AWAY && !resting) {
        if (!v->deaf)
            listen_to(v, true);
        read_some(v, SIP_SIZE);
    }
    if (now < v->act_ms)
        return;
    v->act_ms = now + 50 + pick(750);
    if (v->state == AWAY) {
        if (crowd.on_the_way < AT_ONCE && (resting || v->kind != SURGES || !ebb))
            come(v);
        else
            v->act_ms = now + TURN_MS;
    } else if (v->state == WATCHING && !resting) {
        if (v->kind == SURGES)
            v->act_ms = now + TURN_MS;
        act(v, now);
    }
}

static void on_readable(struct viewer *v)
{
    if (v->state == AWAY || v->deaf)
        return;
    bool quits = v->kind == QUITS && !resting;
    read_some(v, quits ? SIP_SIZE : READ_SIZE);
    /* More than the list of servers is waiting to be completed: that is its snapshot. */
    if (quits && v->state == LISTING && (v->text || v->len > 2000)) {
        cut++;
        abort_connection(v, now_ms() + pick(1000));
    }
}

static void rest(void)
{
    resting = true;
    memcpy(goal, crowd.newest, sizeof goal);
    for (unsigned i = 0; i < count; i++) {
        viewers[i].act_ms = 0;
        if (viewers[i].state != AWAY)
            listen_to(&viewers[i], false);
    }
}

/* ------------------ the program --------------------------------------------------------------- */

static void report(void)
{
    unsigned watching = 0, behind = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct viewer *v = &viewers[i];
        watching += v->state == WATCHING;
        behind += v->state != WATCHING || v->tick < goal[v->server];
    }
    printf("{\"watching\": %u, \"behind\": %u, \"joins\": %llu, \"snapshotsAgain\": %llu, \"cut\": %llu, "
           "\"frames\": %llu, \"lost\": %llu, \"wrong\": %llu, \"why\": \"%s\"}\n",
           watching, behind, (unsigned long long)crowd.joins, (unsigned long long)crowd.snapshots_again,
           (unsigned long long)cut, (unsigned long long)crowd.frames, (unsigned long long)crowd.lost,
           (unsigned long long)crowd.wrong, crowd.why);
    fflush(stdout);
}

/* False: nobody tells it anything any more. */
static bool obey(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n <= 0)
        return false;
    if (n >= 4 && memcmp(line, "rest", 4) == 0)
        rest();
    report();
    return true;
}

static bool set_up(int argc, char **argv)
{
    struct rlimit files;
    struct epoll_event input = { .events = EPOLLIN };
    if (argc != 4)
        return false;
    port = (unsigned)atoi(argv[1]);
    count = (unsigned)atoi(argv[2]);
    crowd.servers = (unsigned)atoi(argv[3]);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    viewers = calloc(count, sizeof *viewers);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; viewers && i < count; i++) {
        viewers[i].fd = -1;
        viewers[i].kind = i % 3 == 0 ? STAYS : (enum kind)(1 + i % (KINDS - 1));
    }
    return viewers && epoll >= 0 && crowd.servers >= 1 && crowd.servers <= SERVERS_MAX &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) == 0;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    uint64_t turn_ms = 0;
    if (!set_up(argc, argv))
        return 2;
    srandom(65);
    for (;;) {
        uint64_t now = now_ms();
        if (now >= turn_ms) {
            turn_ms = now + TURN_MS;
            ebb = now / SURGE_MS % 2;
            for (unsigned i = 0; i < count; i++)
                take_turn(&viewers[i], now);
        }
        int n = epoll_wait(epoll, events, EVENTS, TURN_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else if (!obey())
                return 0;
        }
    }
}
