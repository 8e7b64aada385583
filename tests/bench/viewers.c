/* viewers: a crowd of d-zone clients in one process, the load client of tests/bench/run.
 *
 *   viewers PORT PID        d-back, or anything that speaks its protocol, on 127.0.0.1; PID is its process
 *
 * It does what it is told on standard input and answers each line with one JSON object on standard output:
 *
 *   join COUNT AT_ONCE      that many more, at most AT_ONCE of them on their way in at a time
 *   watch MS                counts and judges what they are sent for so long (see window.h)
 *   deafen COUNT            so many of them stop reading
 *   receive-buffer BYTES    of those who join from now on
 *   wait MS                 reads on for so long
 *   leave                   all of them say goodbye and go
 *
 * Between the commands it goes on reading. The server's processor time is taken from the clock of its
 * process, at the very ends of a join and of a window. When standard input ends, it ends.
 */
#include "commands.h"
#include "viewer.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define VIEWERS_MAX 100000
#define EVENTS 512
#define MS 1000000u
/* No event so long: whoever is waited for doesn't come any more. */
#define PATIENCE_MS 20000
/* After the end of a window, for the last viewer to have seen it. */
#define WINDOW_PATIENCE_MS 5000
/* Begun in a row before those who are on their way get their turn. */
#define BEGIN_SLICE 256

static struct crowd crowd;
static struct viewer *viewers[VIEWERS_MAX];
static unsigned viewer_count;
static clockid_t server_clock;
static bool told; /* there is something on standard input */

/* ------------------ time ---------------------------------------------------------------------- */

/* 0 when the server has ended. */
static double server_seconds(void)
{
    struct timespec t = { 0 };
    clock_gettime(server_clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double own_seconds(void)
{
    struct timespec t = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Serves the sockets until something has happened, at most so long. */
static void serve(uint64_t until)
{
    static struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    int wait_ms = until > now ? (int)((until - now + MS - 1) / MS) : 0;
    int n = epoll_wait(crowd.epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            viewer_event(&crowd, events[i].data.ptr, events[i].events);
        else
            told = true;
    }
}

/* ------------------ answers ------------------------------------------------------------------- */

static const char *separator; /* before the next member */

static void put_name(const char *name)
{
    printf("%s\"%s\": ", separator, name);
    separator = ", ";
}

static void put_count(const char *name, uint64_t count)
{
    put_name(name);
    printf("%llu", (unsigned long long)count);
}

static void put_number(const char *name, double number)
{
    put_name(name);
    printf("%.6f", number);
}

static void put_milliseconds(const char *name, const struct histogram *h)
{
    put_name(name);
    printf("{\"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}", (double)histogram_percentile(h, 0.5) / MS,
           (double)histogram_percentile(h, 0.99) / MS, (double)h->greatest / MS);
}

static void begin_answer(void)
{
    separator = "{";
    put_count("watching", crowd.watching);
}

static void end_answer(void)
{
    printf(", \"why\": \"%s\"}\n", crowd.why);
    fflush(stdout);
}

/* ------------------ commands ------------------------------------------------------------------ */

static void begin_one(void)
{
    struct viewer *v = calloc(1, sizeof *v);
    if (!v)
        abort();
    viewers[viewer_count++] = v;
    viewer_begin(&crowd, v);
}

static void join(unsigned count, unsigned at_once)
{
    if (count > VIEWERS_MAX - viewer_count)
        count = VIEWERS_MAX - viewer_count;
    histogram_clear(&crowd.joins);
    uint64_t begin = now_ns(), moved = begin, bytes = crowd.bytes;
    double cpu = server_seconds();
    unsigned begun = 0, watching = crowd.watching;
    while ((begun < count || crowd.connecting) && now_ns() - moved < (uint64_t)PATIENCE_MS * MS) {
        for (unsigned i = 0; i < BEGIN_SLICE && begun < count && crowd.connecting < at_once; i++, begun++)
            begin_one();
        uint64_t heard = crowd.bytes;
        serve(begun < count && crowd.connecting < at_once ? 0 : now_ns() + 100 * MS);
        if (crowd.bytes != heard)
            moved = now_ns();
    }
    begin_answer();
    put_count("joined", crowd.watching - watching);
    put_number("seconds", (double)(now_ns() - begin) / 1e9);
    put_number("cpu", server_seconds() - cpu);
    put_count("bytes", crowd.bytes - bytes);
    put_milliseconds("ms", &crowd.joins);
    end_answer();
}

static void open_window(struct window *w, unsigned ms)
{
    uint64_t now = now_ns();
    window_open(w, now, now + (uint64_t)ms * MS);
    for (unsigned i = 0; i < viewer_count; i++)
        if (viewers[i]->state == VIEWER_WATCHING && !viewers[i]->deaf)
            window_enter(w, &viewers[i]->stream);
}

static void close_window(struct window *w)
{
    uint64_t now = now_ns();
    for (unsigned i = 0; i < viewer_count; i++)
        window_silence(w, &viewers[i]->stream, now);
    w->counting = false;
}

/* Those who haven't seen the window's end, and those who were sent something else than the first of them:
 * when they differ at all, it doesn't matter who is right. */
static void put_streams(void)
{
    const struct stream *model = NULL;
    unsigned behind = 0, others = 0;
    for (unsigned i = 0; i < viewer_count; i++) {
        const struct stream *s = &viewers[i]->stream;
        if (s->place == STREAM_OUTSIDE)
            continue;
        model = model ? model : s;
        behind += s->place != STREAM_AFTER;
        others += s->messages != model->messages || s->digest != model->digest;
    }
    put_count("messages", model ? model->messages : 0);
    put_count("behind", behind);
    put_count("others", others);
}

static void watch(unsigned ms)
{
    struct window *w = &crowd.window;
    uint64_t lost = crowd.lost;
    open_window(w, ms);
    unsigned entered = w->waiting;
    double cpu = server_seconds(), own = own_seconds();
    while (now_ns() < w->end)
        serve(w->end);
    uint64_t closed = now_ns();
    cpu = server_seconds() - cpu;
    own = own_seconds() - own;
    close_window(w);
    while (w->waiting && now_ns() - closed < (uint64_t)WINDOW_PATIENCE_MS * MS)
        serve(closed + (uint64_t)WINDOW_PATIENCE_MS * MS);
    begin_answer();
    put_count("viewers", entered);
    put_number("seconds", (double)(closed - w->begin) / 1e9);
    put_number("cpu", cpu);
    put_number("own_cpu", own);
    put_count("reads", w->reads);
    put_count("frames", w->frames);
    put_count("bytes", w->bytes);
    put_milliseconds("ms", &w->latency);
    put_number("gap_ms", (double)w->gap / MS);
    put_number("settled_ms", (double)(now_ns() - closed) / MS);
    put_streams();
    put_count("unordered", w->unordered);
    put_count("refreshed", w->refreshed);
    put_count("lost", crowd.lost - lost);
    end_answer();
}

static void deafen(unsigned count)
{
    for (unsigned i = 0; i < viewer_count && count > 0; i++) {
        if (viewers[i]->state == VIEWER_WATCHING && !viewers[i]->deaf) {
            viewer_set_deaf(&crowd, viewers[i], true);
            count--;
        }
    }
    begin_answer();
    end_answer();
}

static void wait_for(unsigned ms)
{
    uint64_t end = now_ns() + (uint64_t)ms * MS;
    while (now_ns() < end)
        serve(end);
    begin_answer();
    put_count("lost", crowd.lost);
    end_answer();
}

static unsigned still_there(void)
{
    unsigned there = 0;
    for (unsigned i = 0; i < viewer_count; i++)
        there += viewers[i]->state != VIEWER_GONE;
    return there;
}

static void leave(void)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < viewer_count; i++) {
        viewer_leave(&crowd, viewers[i]);
        if (i % BEGIN_SLICE == 0)
            serve(0);
    }
    while (still_there() && now_ns() - begin < (uint64_t)PATIENCE_MS * MS)
        serve(now_ns() + 10 * MS);
    unsigned unanswered = still_there();
    for (unsigned i = 0; i < viewer_count; i++) {
        viewer_drop(&crowd, viewers[i]);
        free(viewers[i]);
    }
    viewer_count = 0;
    begin_answer();
    put_count("unanswered", unanswered);
    put_number("seconds", (double)(now_ns() - begin) / 1e9);
    end_answer();
}

static void set_receive_buffer(unsigned bytes)
{
    crowd.receive_buffer = bytes;
    begin_answer();
    end_answer();
}

static bool obey(const char *line)
{
    unsigned a = 0, b = 0;
    if (sscanf(line, "join %u %u", &a, &b) == 2 && b)
        join(a, b);
    else if (sscanf(line, "watch %u", &a) == 1)
        watch(a);
    else if (sscanf(line, "deafen %u", &a) == 1)
        deafen(a);
    else if (sscanf(line, "wait %u", &a) == 1)
        wait_for(a);
    else if (sscanf(line, "receive-buffer %u", &a) == 1)
        set_receive_buffer(a);
    else if (strcmp(line, "leave") == 0)
        leave();
    else
        return false;
    return true;
}

/* ------------------ the program --------------------------------------------------------------- */

static int usage(void)
{
    fputs("usage: viewers PORT PID   (commands on standard input: see viewers.c)\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned port;
    int pid;
    if (argc != 3 || sscanf(argv[1], "%u", &port) != 1 || port < 1 || port > 65535 ||
        sscanf(argv[2], "%d", &pid) != 1)
        return usage();
    if (clock_getcpuclockid(pid, &server_clock) != 0) {
        fprintf(stderr, "viewers: there is no process %d\n", pid);
        return 1;
    }
    crowd.port = (uint16_t)port;
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (crowd.epoll < 0 || epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, 0, &event) < 0) {
        perror("viewers: epoll on standard input, which has to be a pipe");
        return 1;
    }
    for (bool ended = false; !ended;) {
        told = false;
        serve(now_ns() + 1000 * MS);
        if (!told)
            continue;
        for (const char *line; (line = commands_next(&ended));) {
            if (!obey(line)) {
                fprintf(stderr, "viewers: \"%s\" is no command\n", line);
                return 2;
            }
        }
    }
    return 0;
}
