/* top: the state of d-back, live. Two looks at /metrics make rates; the servers come from /v1/status. */
#include "ctl/ctl.h"
#include "ctl/grid.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define HIDE_CURSOR "\033[?1049h\033[?25l"
#define SHOW_CURSOR "\033[?25h\033[?1049l"

/* What is shown of /metrics, each the sum of the samples with that name. */
enum figure {
    JOINS,
    FRAMES,
    BYTES,
    EVENTS,
    SNAPSHOTS,
    REFUSALS,
    CPU,
    MEMORY,
    FILES,
    LAG,
    FAN_SUM,
    FAN_COUNT,
    FIGURES
};
static const char *const figure_names[FIGURES] = {
    "dback_joins_total",
    "dback_sent_frames_total",
    "dback_sent_bytes_total",
    "dback_provider_events_total",
    "dback_snapshots_total",
    "dback_refusals_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "dback_slowest_viewer_lag_bytes",
    "dback_fanout_latency_seconds_sum",
    "dback_fanout_latency_seconds_count",
};

struct look {
    double at; /* seconds */
    double figures[FIGURES];
    double worst_delay; /* of any loop */
    char worst_thread[32];
    json_t *status;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* ------------------ looking ------------------------------------------------------------------- */

static void take_sample(struct look *look, char *line)
{
    char *value = strrchr(line, ' ');
    if (line[0] == '#' || !value)
        return;
    *value++ = '\0';
    size_t name = strcspn(line, "{");
    double number = strtod(value, NULL);
    for (int i = 0; i < FIGURES; i++)
        if (strlen(figure_names[i]) == name && strncmp(line, figure_names[i], name) == 0)
            look->figures[i] += number;
    if (strncmp(line, "dback_loop_delay_seconds{", 25) == 0 && number >= look->worst_delay) {
        const char *thread = strchr(line, '"');
        look->worst_delay = number;
        snprintf(look->worst_thread, sizeof look->worst_thread, "%.*s",
                 thread ? (int)strcspn(thread + 1, "\"") : 0, thread ? thread + 1 : "");
    }
}

static bool take_metrics(const struct call *call, struct look *look)
{
    struct reply reply = { 0 };
    int fd = connect_to_daemon(call);
    bool good = fd >= 0 && http_send(fd, "GET", "/metrics", NULL) && http_receive(fd, &reply);
    if (good && reply.status != 200)
        say_refusal(&reply);
    else if (fd >= 0 && !good)
        complain("the connection broke; has d-back ended?");
    good = good && reply.status == 200;
    text_append(&reply.body, "", 1);
    char *rest = NULL;
    for (char *line = good ? strtok_r(reply.body.ptr, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        take_sample(look, line);
    text_finish(&reply.body);
    if (fd >= 0)
        close(fd);
    return good;
}

static bool take_look(const struct call *call, struct look *look)
{
    *look = (struct look){ .at = (double)now_ns() / 1e9 };
    if (!take_metrics(call, look))
        return false;
    look->status = ask(call, "GET", "/v1/status", NULL);
    return look->status != NULL;
}

/* ------------------ showing ------------------------------------------------------------------- */

static double rate(const struct look *before, const struct look *now, enum figure figure)
{
    double seconds = now->at - before->at, grown = now->figures[figure] - before->figures[figure];
    return seconds > 0 && grown > 0 ? grown / seconds : 0;
}

static void append_latency(struct text_buffer *out, const struct look *before, const struct look *now)
{
    double count = now->figures[FAN_COUNT] - before->figures[FAN_COUNT];
    if (count > 0)
        text_appendf(out, "%.1f ms", (now->figures[FAN_SUM] - before->figures[FAN_SUM]) / count * 1000);
    else
        text_appendf(out, "-");
}

static json_t *as_json(const struct look *before, const struct look *now)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:O?}", "viewers",
                     number_at(now->status, "viewers"), "connections", number_at(now->status, "connections"),
                     "framesPerSecond", rate(before, now, FRAMES), "bytesPerSecond", rate(before, now, BYTES),
                     "eventsPerSecond", rate(before, now, EVENTS), "joinsPerSecond", rate(before, now, JOINS),
                     "cpu", rate(before, now, CPU), "residentBytes", now->figures[MEMORY], "longestLagBytes",
                     now->figures[LAG], "worstLoopDelaySeconds", now->worst_delay, "unwell",
                     json_object_get(now->status, "unwell"));
}

static void print_plainly(const struct look *before, const struct look *now)
{
    struct text_buffer line = { 0 };
    text_appendf(&line, "viewers=%.0f frames/s=%.0f sent/s=", number_at(now->status, "viewers"),
                 rate(before, now, FRAMES));
    append_bytes(&line, rate(before, now, BYTES));
    text_appendf(&line, " events/s=%.0f joins/s=%.0f cpu=%.0f%% latency=", rate(before, now, EVENTS),
                 rate(before, now, JOINS), rate(before, now, CPU) * 100);
    append_latency(&line, before, now);
    printf("%.*s delay=%.1f ms (%s) unwell=%zu\n", (int)line.len, line.ptr, now->worst_delay * 1000,
           now->worst_thread, json_array_size(json_object_get(now->status, "unwell")));
    text_finish(&line);
}

static void print_figures(const struct look *before, const struct look *now)
{
    struct text_buffer sent = { 0 }, memory = { 0 }, latency = { 0 }, lag = { 0 };
    append_bytes(&sent, rate(before, now, BYTES));
    append_bytes(&memory, now->figures[MEMORY]);
    append_bytes(&lag, now->figures[LAG]);
    append_latency(&latency, before, now);
    printf("\nviewers %.0f of %.0f connections, joins %.0f/s\n", number_at(now->status, "viewers"),
           number_at(now->status, "connections"), rate(before, now, JOINS));
    printf("frames  %.0f/s, %s/s, from %.0f events/s\n", rate(before, now, FRAMES), sent.ptr,
           rate(before, now, EVENTS));
    printf("latency %s to a viewer's socket, slowest viewer %s behind\n", latency.ptr, lag.ptr);
    printf("load    %.0f %% of a CPU, %s, %.0f files, loop delay %.1f ms (%s)\n",
           rate(before, now, CPU) * 100, memory.ptr, now->figures[FILES], now->worst_delay * 1000,
           now->worst_thread);
    text_finish(&sent);
    text_finish(&memory);
    text_finish(&latency);
    text_finish(&lag);
}

static void print_screen(const struct look *before, const struct look *now)
{
    struct text_buffer uptime = { 0 };
    json_t *server;
    size_t index;
    append_duration(&uptime, number_at(now->status, "uptimeSeconds"));
    printf("\033[H\033[2Jd-back %s, %s for %s          q ends\n", text_at(now->status, "version"),
           text_at(now->status, "state"), uptime.ptr);
    text_finish(&uptime);
    print_figures(before, now);
    print_unwell(json_object_get(now->status, "unwell"));
    puts("");
    struct grid *grid = grid_create("SERVER|NAME|>VIEWERS|>USERS|PROVIDER");
    json_array_foreach(json_object_get(now->status, "watched"), index, server)
    {
        if (index == 20)
            break;
        grid_cell(grid, "%s", text_at(server, "id"));
        grid_cell(grid, "%s", text_at(server, "name"));
        grid_cell(grid, "%.0f", number_at(server, "viewers"));
        grid_cell(grid, "%.0f", number_at(server, "users"));
        grid_cell(grid, "%s", text_at(server, "provider"));
    }
    grid_finish(grid);
}

static void show(const struct call *call, bool screen, const struct look *before, const struct look *now)
{
    if (call->json) {
        json_t *whole = as_json(before, now);
        json_dumpf(whole, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        puts("");
        json_decref(whole);
    } else if (screen) {
        print_screen(before, now);
    } else {
        print_plainly(before, now);
    }
}

/* ------------------ the terminal -------------------------------------------------------------- */

static void enter_screen(struct termios *before)
{
    struct termios raw;
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    tcgetattr(STDIN_FILENO, before);
    raw = *before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs(HIDE_CURSOR, stdout);
}

static void leave_screen(const struct termios *before)
{
    fputs(SHOW_CURSOR, stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, before);
}

/* False: enough. */
static bool wait_for(double seconds, bool screen)
{
    struct pollfd keyboard = { .fd = screen ? STDIN_FILENO : -1, .events = POLLIN };
    char key;
    if (poll(&keyboard, 1, (int)(seconds * 1000)) < 0)
        return errno == EINTR && !interrupted;
    if (keyboard.revents & (POLLIN | POLLHUP))
        return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != '\003';
    return !interrupted;
}

static int watch(const struct call *call, double interval, unsigned long count, bool screen)
{
    struct look before, now;
    int result = take_look(call, &before) ? 0 : EXIT_REFUSED;
    for (unsigned long n = 0; result == 0 && (!count || n < count) && wait_for(interval, screen); n++) {
        if (!take_look(call, &now)) {
            json_decref(now.status);
            result = EXIT_REFUSED;
            break;
        }
        show(call, screen, &before, &now);
        result = flushed();
        json_decref(before.status);
        before = now;
    }
    json_decref(before.status);
    return result;
}

static bool read_number(const char *text, double least, double most, double *number)
{
    char *end;
    *number = text ? strtod(text, &end) : *number;
    return !text || (*text && !*end && *number >= least && *number <= most);
}

int run_top(struct call *call)
{
    double interval = 1, count = 0;
    struct termios before;
    bool screen = !call->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    if (!read_number(call_option(call, "interval"), 0.1, 3600, &interval))
        return usage_error(call->command, "--interval must be a number from 0.1 to 3600 seconds");
    if (!read_number(call_option(call, "count"), 1, 1e9, &count))
        return usage_error(call->command, "--count must be a number from 1 on");
    if (screen)
        enter_screen(&before);
    int result = watch(call, interval, (unsigned long)count, screen);
    if (screen)
        leave_screen(&before);
    return result;
}
