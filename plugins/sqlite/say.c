/* The log, and time. See sqlite.h. */
#include "sqlite.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#define LINE_SIZE 1024
#define QUIET_MS 10000

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

int64_t unix_seconds(void)
{
    return (int64_t)time(NULL);
}

void say(const struct say *say, uint32_t level, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    say->host->log(say->host, level, dback_text(line));
}

void complain(struct say *to, enum complaint kind, const char *format, ...)
{
    char line[LINE_SIZE], more[64] = "";
    uint64_t now = now_ms();
    if (now < to->of[kind].quiet_until_ms) {
        to->of[kind].unsaid++;
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (to->of[kind].unsaid)
        snprintf(more, sizeof more, " (and %" PRIu64 " more like it before)", to->of[kind].unsaid);
    to->of[kind].unsaid = 0;
    to->of[kind].quiet_until_ms = now + QUIET_MS;
    say(to, DBACK_LOG_WARN, "%s%s", line, more);
}
