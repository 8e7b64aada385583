/* What is wrong at present, for the operator. See sqlite.h.
 *
 * Each ailment is noted when it begins and when it ends. d-back is told the worst state, and the sentences in
 * the order of their severity; it keeps them, shows them and logs what changes. A host of 1.0 can't, so there
 * the same sentences are lines of the log.
 */
#include "sqlite.h"

#include <stdarg.h>

static bool is_heard(const struct health *health)
{
    return DBACK_HAS(dback_host, health->host, report_health) && health->host->report_health;
}

static void append(char text[HEALTH_TEXT + 1], size_t *used, const char *more)
{
    if (*used > 0 && *used < HEALTH_TEXT)
        *used += (size_t)snprintf(text + *used, HEALTH_TEXT + 1 - *used, "; ");
    if (*used < HEALTH_TEXT)
        *used += text_clean(text + *used, HEALTH_TEXT - *used, dback_text(more)).len;
}

static void report(const struct health *health)
{
    char text[HEALTH_TEXT + 1];
    size_t used = 0;
    uint32_t worst = DBACK_HEALTH_OK;
    for (int i = 0; i < AILMENT_COUNT; i++) {
        if (health->of[i].state == DBACK_HEALTH_OK)
            continue;
        if (health->of[i].state > worst)
            worst = health->of[i].state;
        append(text, &used, health->of[i].text);
    }
    health->host->report_health(health->host, worst,
                                (dback_str){ text, used < HEALTH_TEXT ? used : HEALTH_TEXT });
}

bool health_is_set(const struct health *health, enum ailment ailment)
{
    return health->of[ailment].state != DBACK_HEALTH_OK;
}

void health_set(struct health *health, enum ailment ailment, uint32_t state, const char *format, ...)
{
    char text[HEALTH_TEXT + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (health->of[ailment].state == state && strcmp(health->of[ailment].text, text) == 0)
        return;
    health->of[ailment].state = state;
    memcpy(health->of[ailment].text, text, sizeof text);
    if (is_heard(health))
        report(health);
    else
        say(health->say, DBACK_LOG_WARN, "%s", text);
}

void health_clear(struct health *health, enum ailment ailment)
{
    if (!health_is_set(health, ailment))
        return;
    health->of[ailment].state = DBACK_HEALTH_OK;
    if (is_heard(health))
        report(health);
    else
        say(health->say, DBACK_LOG_INFO, "over: %s", health->of[ailment].text);
}
