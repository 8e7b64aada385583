/* See health.h. */
#include "health.h"

#include "clean.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPORT_SIZE 513 /* what d-back takes, and a zero */

static const char *const well[HEALTH_PARTS] = {
    [HEALTH_TOKEN] = "Discord accepts the token again",
    [HEALTH_GATEWAY] = "the gateway is connected again",
    [HEALTH_REST] = "Discord's REST interface answers again",
    [HEALTH_INTENTS] = "all intents are on",
    [HEALTH_GUILDS] = "all guilds are there",
    [HEALTH_REFUSED] = "the members of all guilds can be listed",
    [HEALTH_MEMBERS] = "all members fit again",
};

/* Without these nothing that Discord tells arrives; the others leave something out. */
static bool is_down(const struct health *health)
{
    return health->problems[HEALTH_TOKEN][0] || health->problems[HEALTH_GATEWAY][0] ||
           health->problems[HEALTH_REST][0];
}

/* All sentences, as many as fit. */
static void report(const struct health *health)
{
    char all[HEALTH_PARTS * (sizeof health->problems[0] + 2)], text[REPORT_SIZE];
    size_t len = 0;
    all[0] = '\0';
    for (int i = 0; i < HEALTH_PARTS; i++)
        if (health->problems[i][0])
            len +=
                (size_t)snprintf(all + len, sizeof all - len, "%s%s", len ? "; " : "", health->problems[i]);
    clean_name(all, REPORT_SIZE, text, sizeof text);
    uint32_t state = is_down(health) ? DBACK_HEALTH_DOWN : len ? DBACK_HEALTH_DEGRADED : DBACK_HEALTH_OK;
    health->host->report_health(health->host, state, dback_text(text));
}

static void tell(const struct health *health, uint32_t level, const char *sentence)
{
    const dback_host *host = health->host;
    if (DBACK_HAS(dback_host, host, report_health) && host->report_health)
        report(health);
    else
        say(host, level, "%s", sentence);
}

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
    tell(health, part == HEALTH_TOKEN ? DBACK_LOG_ERROR : DBACK_LOG_WARN, text);
}

void health_well(struct health *health, enum health_part part)
{
    if (!health->problems[part][0])
        return;
    health->problems[part][0] = '\0';
    tell(health, DBACK_LOG_INFO, well[part]);
}

const char *health_why(const struct health *health)
{
    for (int i = 0; i < HEALTH_PARTS; i++)
        if (health->problems[i][0])
            return health->problems[i];
    return NULL;
}
