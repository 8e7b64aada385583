/* floor: the least that a fan-out can cost here, for tests/bench/run to compare d-back with.
 *
 *   floor SNAPSHOT_BYTES
 *
 * A server that does nothing but what can't be avoided: it answers each viewer's handshake and `connect` with
 * ready-made bytes (a snapshot of the given length), and then hands every event to every viewer with a plain
 * send(2), one after the other, in one thread. It asks nobody, forgets nobody who is slow (such an event is
 * lost to that viewer), and counts nothing.
 *
 * Standard output's first line is the port that it listens on. On standard input it is told
 *
 *   rate EVENTS             a second from now on; 0: none
 *   lose | double           one event doesn't reach the first viewer, or reaches it twice: so the load client
 * is tested, which has to notice
 *
 * and when that ends, it ends.
 */
#include "commands.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define VIEWERS_MAX 100000
#define EVENTS 512
#define BACKLOG 4096
#define SECOND 1000000000u
/* It makes good at most so much when it was held up, as the mock does. */
#define MOST_DEBT SECOND

struct viewer {
    int fd;
    unsigned answers; /* sent or begun: the handshake with the list, the snapshot */
    size_t snapshot_sent;
    int place; /* among those who watch; -1: doesn't yet */
};

static const char handshake[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char list[] =
    "{\"type\":\"server-list\",\"data\":{\"232769614004748288\":{\"id\":\"dworld\",\"name\":\"D-World\","
    "\"passworded\":false,\"default\":true},\"482241773318701056\":{\"id\":\"docs\",\"name\":\"Docs (WIP)\","
    "\"passworded\":false},\"123456789012345678\":{\"id\":\"oauth\",\"name\":\"OAuth2 Protected Server\","
    "\"passworded\":true},\"987654321098765432\":{\"id\":\"repos\",\"name\":\"My "
    "Repos\",\"passworded\":false}}}";
static const char snapshot_begin[] = "{\"type\":\"server-join\",\"data\":{";

static struct {
    unsigned char *bytes;
    size_t len;
} snapshot;
static unsigned char welcome[2048];
static size_t welcome_len;

static int epoll_fd, listen_fd;
static struct viewer *watching[VIEWERS_MAX];
static int watching_count;
static uint64_t interval, due; /* ns; interval 0: no events */
static int first_gets = 1;     /* of the next event the first viewer gets so many */

/* ------------------ ready-made bytes ---------------------------------------------------------- */

static void prepare(size_t snapshot_bytes)
{
    memcpy(welcome, handshake, sizeof handshake - 1);
    welcome_len = sizeof handshake - 1;
    welcome_len += frame_header(welcome + welcome_len, OP_TEXT, sizeof list - 1, NULL);
    memcpy(welcome + welcome_len, list, sizeof list - 1);
    welcome_len += sizeof list - 1;
    snapshot.bytes = malloc(FRAME_HEADER_MAX + snapshot_bytes);
    if (!snapshot.bytes)
        abort();
    size_t header = frame_header(snapshot.bytes, OP_TEXT, snapshot_bytes, NULL);
    memset(snapshot.bytes + header, ' ', snapshot_bytes);
    memcpy(snapshot.bytes + header, snapshot_begin, sizeof snapshot_begin - 1);
    memcpy(snapshot.bytes + header + snapshot_bytes - 2, "}}", 2);
    snapshot.len = header + snapshot_bytes;
}

/* As the mock's, to the byte. */
static size_t write_event(unsigned char *frame)
{
    static const char *const sayings[] = { "hello", "how are you?", "this is a test message", "D-Zone rocks!",
                                           "what's up?" };
    static unsigned turn;
    char payload[256];
    int len = snprintf(payload, sizeof payload,
                       "{\"type\":\"message\",\"server\":\"232769614004748288\",\"data\":{\"uid\":"
                       "\"12345678901234500%u\",\"message\":\"%s@%0*" PRIu64
                       "\",\"channel\":\"527964146659229701\"}}",
                       1 + turn % 4, sayings[turn % 5], STAMP_DIGITS, now_ns());
    turn++;
    size_t header = frame_header(frame, OP_TEXT, (size_t)len, NULL);
    memcpy(frame + header, payload, (size_t)len);
    return header + (size_t)len;
}

/* ------------------ viewers ------------------------------------------------------------------- */

static void watch_for(int fd, void *what, uint32_t events, int operation)
{
    struct epoll_event event = { .events = events, .data.ptr = what };
    epoll_ctl(epoll_fd, operation, fd, &event);
}

static void drop(struct viewer *v)
{
    if (v->place >= 0) {
        watching[v->place] = watching[--watching_count];
        watching[v->place]->place = v->place;
    }
    close(v->fd);
    free(v);
}

static void welcome_all(void)
{
    int on = 1, fd;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct viewer *v = calloc(1, sizeof *v);
        if (!v)
            abort();
        v->fd = fd;
        v->place = -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch_for(fd, v, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* False: it has gone. */
static bool send_snapshot(struct viewer *v)
{
    ssize_t n = send(v->fd, snapshot.bytes + v->snapshot_sent, snapshot.len - v->snapshot_sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return false;
    v->snapshot_sent += n > 0 ? (size_t)n : 0;
    bool all = v->snapshot_sent == snapshot.len;
    watch_for(v->fd, v, all ? EPOLLIN : EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    if (all && watching_count < VIEWERS_MAX) {
        v->place = watching_count;
        watching[watching_count++] = v;
    }
    return true;
}

static bool on_viewer(struct viewer *v, uint32_t events)
{
    char bytes[4096];
    if (events & EPOLLOUT && v->answers == 2 && v->place < 0 && !send_snapshot(v))
        return false;
    if (!(events & ~(uint32_t)EPOLLOUT))
        return true;
    ssize_t n = recv(v->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0 || v->answers == 2) /* once it watches, all that it says is goodbye */
        return false;
    v->answers++;
    if (v->answers == 1)
        return send(v->fd, welcome, welcome_len, MSG_NOSIGNAL) == (ssize_t)welcome_len;
    return send_snapshot(v);
}

/* ------------------ events -------------------------------------------------------------------- */

static void fan_out(void)
{
    unsigned char frame[FRAME_HEADER_MAX + 256];
    size_t len = write_event(frame);
    for (int i = 0; i < watching_count; i++)
        for (int times = i ? 1 : first_gets; times > 0; times--)
            send(watching[i]->fd, frame, len, MSG_NOSIGNAL);
    first_gets = 1;
}

/* Milliseconds until the next event is due, -1: never. */
static int events_due(void)
{
    if (!interval)
        return -1;
    uint64_t now = now_ns();
    if (now > due + MOST_DEBT)
        due = now;
    if (now >= due) {
        fan_out();
        due += interval;
        return 0;
    }
    return (int)((due - now + 999999) / 1000000);
}

static void obey(const char *line)
{
    double rate;
    if (sscanf(line, "rate %lf", &rate) == 1) {
        interval = rate > 0 ? (uint64_t)(SECOND / rate) : 0;
        due = now_ns() + interval;
    } else if (strcmp(line, "lose") == 0) {
        first_gets = 0;
    } else if (strcmp(line, "double") == 0) {
        first_gets = 2;
    }
}

/* ------------------ the program --------------------------------------------------------------- */

static int open_listener(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof name;
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&name, sizeof name) < 0 ||
        listen(listen_fd, BACKLOG) < 0 || getsockname(listen_fd, (struct sockaddr *)&name, &length) < 0)
        return -1;
    return ntohs(name.sin_port);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    static char commands;
    size_t snapshot_bytes;
    if (argc != 2 || sscanf(argv[1], "%zu", &snapshot_bytes) != 1 || snapshot_bytes < 64 ||
        snapshot_bytes > 64u << 20) {
        fputs("usage: floor SNAPSHOT_BYTES   (64 to 67108864)\n", stderr);
        return 2;
    }
    prepare(snapshot_bytes);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int port = open_listener();
    if (epoll_fd < 0 || port < 0) {
        perror("floor");
        return 1;
    }
    watch_for(0, &commands, EPOLLIN, EPOLL_CTL_ADD);
    watch_for(listen_fd, NULL, EPOLLIN, EPOLL_CTL_ADD);
    printf("%d\n", port);
    fflush(stdout);
    for (bool ended = false; !ended;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, events_due());
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (!what)
                welcome_all();
            else if (what != &commands && !on_viewer(what, events[i].events))
                drop(what);
            else if (what == &commands)
                for (const char *line; (line = commands_next(&ended));)
                    obey(line);
        }
    }
    return 0;
}
