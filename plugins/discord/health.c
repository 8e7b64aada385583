/* See health.h. */
#include "health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const well[HEALTH_PARTS] = {
    [HEALTH_TOKEN] = "Discord accepts the token again",
    [HEALTH_GATEWAY] = "the gateway is connected again",
    [HEALTH_REST] = "Discord's REST interface answers again",
    [HEALTH_INTENTS] = "all intents are on",
    [HEALTH_GUILDS] = "all guilds are there",
    [HEALTH_MEMBERS] = "all members fit again",
};

void health_init(struct health *health, const dback_host *host)
{
    *health = (struct health){ .host = host };
}

void health_problem(struct health *health, enum health_part part, const char *format, ...)
{
    char text[sizeof health->problems[0]];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strcmp(health->problems[part], text) == 0)
        return;
    strcpy(health->problems[part], text);
    say(health->host, part == HEALTH_TOKEN ? DBACK_LOG_ERROR : DBACK_LOG_WARN, "%s", text);
}

void health_well(struct health *health, enum health_part part)
{
    if (!health->problems[part][0])
        return;
    health->problems[part][0] = '\0';
    say(health->host, DBACK_LOG_INFO, "%s", well[part]);
}

const char *health_why(const struct health *health)
{
    for (int i = 0; i < HEALTH_PARTS; i++)
        if (health->problems[i][0])
            return health->problems[i];
    return NULL;
}

static bool is_down(const struct health *health)
{
    return health->problems[HEALTH_TOKEN][0] || health->problems[HEALTH_GATEWAY][0];
}

int32_t health_tell(const struct health *health, char *text, size_t size)
{
    const char *before = is_down(health) ? "down: " : "degraded: ";
    size_t len = 0;
    snprintf(text, size, "connected");
    for (int i = 0; i < HEALTH_PARTS; i++) {
        if (!health->problems[i][0] || len >= size)
            continue;
        int n = snprintf(text + len, size - len, "%s%s", before, health->problems[i]);
        len += n > 0 ? (size_t)n : 0;
        before = "; ";
    }
    return is_down(health) ? 2 : len > 0;
}
