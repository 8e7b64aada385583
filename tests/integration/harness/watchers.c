/* watchers: a crowd of viewers in one process that follow swaps under a stream faster than Python could.
 * harness/watchers.py builds and drives it.
 *
 *   watchers PORT COUNT     joins COUNT viewers to the default server of the d-back on 127.0.0.1:PORT
 *
 * The providers are misbehave.so with tags g1, g2, ...: "gN-2" is what the user m2 is called by generation N,
 * and "gN 1", "gN 2", ... is what it says. Each viewer minds that
 *   - a message of generation N comes only when m2 is shown as one of N: not before the snapshot or the
 * difference that brings N, and not after the one that ends it;
 *   - generations only go forward, each one's messages begin at 1 and have no gap, unless a new snapshot came
 * between;
 *   - nobody says "after", which only providers say that were told to end;
 *   - the connection stays.
 *
 * Each line on standard input is answered with one JSON object. When standard input ends, so does it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define AT_ONCE 100 /* on their way in */
#define READ_SIZE (256 * 1024)
#define CONNECT "{\"type\":\"connect\",\"data\":{\"server\":\"default\"}}"

enum state { UPGRADING, LISTING, WATCHING, LOST };

struct viewer {
    int fd;
    enum state state;
    char *bytes; /* what has come and isn't complete */
    size_t len, capacity;
    unsigned shown, heard; /* generations: of m2, of the messages */
    unsigned number;       /* of the last message of `heard`; 0: any may come, a snapshot was between */
    uint64_t messages;
};

static struct viewer *viewers;
static unsigned count, begun, joined, lost;
static int epoll, port;
static uint64_t wrong, snapshots;
static char why[512];

__attribute__((format(printf, 2, 3))) static void complain(const struct viewer *v, const char *format, ...)
{
    va_list args;
    if (wrong++)
        return;
    int at = snprintf(why, sizeof why, "viewer %u: ", (unsigned)(v - viewers));
    va_start(args, format);
    vsnprintf(why + at, sizeof why - (size_t)at, format, args);
    va_end(args);
    for (char *c = why; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
            *c = '\'';
}

static void lose(struct viewer *v, const char *how)
{
    if (v->state == LOST)
        return;
    complain(v, "the connection ended (%s)", how);
    lost++;
    close(v->fd);
    v->state = LOST;
}

/* ------------------ frames -------------------------------------------------------------------- */

static bool has(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

/* The number behind `prefix`, 0: it isn't there. */
static unsigned number_after(const char *text, size_t len, const char *prefix)
{
    const char *at = memmem(text, len, prefix, strlen(prefix));
    return at ? (unsigned)strtoul(at + strlen(prefix), NULL, 10) : 0;
}

/* The generation of m2's name in what follows its uid. */
static void see_name(struct viewer *v, const char *text, size_t len)
{
    const char *uid = memmem(text, len, "\"uid\":\"m2\"", 10);
    if (!uid)
        return;
    unsigned generation = number_after(uid, len - (size_t)(uid - text), "\"username\":\"g");
    if (generation == 0)
        return;
    if (generation < v->shown)
        complain(v, "m2 is shown as one of g%u after g%u", generation, v->shown);
    v->shown = generation;
}

static void hear(struct viewer *v, const char *text, size_t len)
{
    unsigned generation = number_after(text, len, "\"message\":\"g");
    if (has(text, len, "\"message\":\"after\""))
        complain(v, "somebody who was told to end is heard");
    if (generation == 0)
        return;
    const char *space = memchr(memmem(text, len, "\"message\":\"g", 12), ' ', 24);
    unsigned number = space ? (unsigned)strtoul(space + 1, NULL, 10) : 0;
    v->messages++;
    if (generation != v->shown)
        complain(v, "g%u %u is heard while m2 is one of g%u", generation, number, v->shown);
    if (generation < v->heard)
        complain(v, "g%u %u is heard after g%u %u", generation, number, v->heard, v->number);
    else if (generation == v->heard && v->number && number != v->number + 1)
        complain(v, "g%u %u comes after %u", generation, number, v->number);
    else if (generation > v->heard && v->heard && number != 1 && v->number)
        complain(v, "g%u begins with %u", generation, number);
    v->heard = generation;
    v->number = number;
}

/* At most 125 bytes. */
static void send_frame(struct viewer *v, int opcode, const char *payload, size_t len)
{
    unsigned char frame[256] = { (unsigned char)(0x80 | opcode), (unsigned char)(0x80 | len), 0, 0, 0, 0 };
    memcpy(frame + 6, payload, len); /* masked with zeros */
    if (write(v->fd, frame, 6 + len) < 0)
        lose(v, "it can't be written to");
}

static void take_text(struct viewer *v, const char *text, size_t len)
{
    if (has(text, len < 40 ? len : 40, "\"type\":\"message\"")) {
        hear(v, text, len);
    } else if (has(text, len < 40 ? len : 40, "\"type\":\"presence\"")) {
        see_name(v, text, len);
    } else if (has(text, len < 40 ? len : 40, "\"type\":\"server-list\"")) {
        if (v->state == LISTING)
            send_frame(v, 1, CONNECT, sizeof CONNECT - 1);
        else
            complain(v, "the list is sent again, though it hasn't changed");
    } else if (has(text, len < 40 ? len : 40, "\"type\":\"server-join\"")) {
        joined += v->state == LISTING;
        snapshots += v->state == WATCHING;
        v->state = WATCHING;
        v->number = 0;
        see_name(v, text, len);
    } else if (!has(text, len < 40 ? len : 40, "\"type\":\"update-clientid\"")) {
        complain(v, "not understood: %.*s", (int)(len < 200 ? len : 200), text);
    }
}

/* Bytes of the next frame, 0: it isn't complete. */
static size_t take_frame(struct viewer *v, const unsigned char *at, size_t left)
{
    size_t head = 2, len;
    if (left < 2)
        return 0;
    len = at[1] & 0x7f;
    if (len == 126) {
        head = 4;
        len = left < head ? 0 : (size_t)at[2] << 8 | at[3];
    } else if (len == 127) {
        head = 10;
        len = 0;
        for (size_t i = 2; left >= head && i < head; i++)
            len = len << 8 | at[i];
    }
    if (left < head || left - head < len)
        return 0;
    if ((at[0] & 0xf) == 1)
        take_text(v, (const char *)at + head, len);
    else if ((at[0] & 0xf) == 9)
        send_frame(v, 10, (const char *)at + head, len);
    else
        lose(v, (at[0] & 0xf) == 8 ? "closed by the server" : "a frame of another kind");
    return head + len;
}

/* ------------------ sockets ------------------------------------------------------------------- */

static void begin(struct viewer *v)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = v };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->fd < 0 || connect(v->fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        write(v->fd, request, sizeof request - 1) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, v->fd, &event) < 0) {
        fprintf(stderr, "watchers: can't connect: %s\n", strerror(errno));
        exit(1);
    }
    fcntl(v->fd, F_SETFL, O_NONBLOCK);
}

static void take_bytes(struct viewer *v)
{
    size_t at = 0, used;
    if (v->state == UPGRADING) {
        char *end = memmem(v->bytes, v->len, "\r\n\r\n", 4);
        if (!end)
            return;
        if (memcmp(v->bytes, "HTTP/1.1 101", 12) != 0)
            lose(v, "no upgrade");
        at = (size_t)(end + 4 - v->bytes);
        v->state = v->state == LOST ? LOST : LISTING;
    }
    while (v->state != LOST && (used = take_frame(v, (unsigned char *)v->bytes + at, v->len - at)))
        at += used;
    memmove(v->bytes, v->bytes + at, v->len - at);
    v->len -= at;
}

static void on_readable(struct viewer *v)
{
    if (v->capacity - v->len < READ_SIZE / 2)
        v->bytes = realloc(v->bytes, v->capacity += READ_SIZE);
    if (!v->bytes)
        abort();
    ssize_t n = read(v->fd, v->bytes + v->len, v->capacity - v->len);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        lose(v, n ? strerror(errno) : "end of file");
        return;
    }
    v->len += (size_t)n;
    take_bytes(v);
    if (v->len == 0) { /* nothing waits: a thousand of them need no buffers */
        free(v->bytes);
        v->bytes = NULL;
        v->capacity = 0;
    }
}

static void report(void)
{
    unsigned least = ~0u, most = 0, shown_least = ~0u;
    uint64_t messages = 0;
    for (unsigned i = 0; i < count; i++) {
        least = viewers[i].heard < least ? viewers[i].heard : least;
        most = viewers[i].heard > most ? viewers[i].heard : most;
        shown_least = viewers[i].shown < shown_least ? viewers[i].shown : shown_least;
        messages += viewers[i].messages;
    }
    printf("{\"joined\": %u, \"lost\": %u, \"wrong\": %llu, \"why\": \"%s\", \"snapshots\": %llu, "
           "\"messages\": %llu, "
           "\"heardByAll\": %u, \"heard\": %u, \"shownToAll\": %u}\n",
           joined, lost, (unsigned long long)wrong, why, (unsigned long long)snapshots,
           (unsigned long long)messages, least, most, shown_least);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[64];
    struct rlimit files;
    struct epoll_event events[EVENTS], input = { .events = EPOLLIN };
    if (argc != 3)
        return 2;
    port = atoi(argv[1]);
    count = (unsigned)atoi(argv[2]);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    viewers = calloc(count, sizeof *viewers);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!viewers || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        return 1;
    for (;;) {
        while (begun < count && begun - joined < AT_ONCE)
            begin(&viewers[begun++]);
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else if (read(STDIN_FILENO, line, sizeof line) <= 0)
                return 0;
            else
                report();
        }
    }
}
