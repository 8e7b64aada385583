/* See voice.h. */
#include "provider/voice.h"

#include <dback/provider.h>
#include <stdarg.h>
#include <stdio.h>

/* Changes of health that are told in a minute; each is worth a line, but not of one that can't make up its
 * mind. */
#define HEALTH_LINES 20
#define LINE_SIZE 2560 /* more than host.c lets a provider log at once */

void voice_init(struct voice *voice, struct log *log, const char *name)
{
    *voice = (struct voice){ .log = log };
    pthread_mutex_init(&voice->mutex, NULL);
    snprintf(voice->room, sizeof voice->room, "provider/%s", name);
}

void voice_finish(struct voice *voice)
{
    pthread_mutex_destroy(&voice->mutex);
}

void voice_silence(struct voice *voice)
{
    pthread_mutex_lock(&voice->mutex);
    voice->log = NULL;
    pthread_mutex_unlock(&voice->mutex);
}

void voice_say(struct voice *voice, enum log_level level, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&voice->mutex);
    if (voice->log)
        log_room(voice->log, level, voice->room, "%s", line);
    pthread_mutex_unlock(&voice->mutex);
}

void voice_complain(struct voice *voice, enum complaint kind, const char *format, ...)
{
    uint64_t suppressed;
    pthread_mutex_lock(&voice->mutex);
    if (voice->log && burst_count(&voice->bursts[kind], now_ms(), &suppressed)) {
        char line[LINE_SIZE];
        va_list args;
        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
        log_room(voice->log, LOG_WARN, voice->room, "%s suppressed=%llu", line,
                 (unsigned long long)suppressed);
    }
    pthread_mutex_unlock(&voice->mutex);
}

void voice_tell_health(struct voice *voice, uint32_t health, const char *text)
{
    static const struct {
        enum log_level level;
        const char *says;
    } told[] = {
        [DBACK_HEALTH_OK] = { LOG_INFO, "is well" },
        [DBACK_HEALTH_DEGRADED] = { LOG_WARN, "is degraded" },
        [DBACK_HEALTH_DOWN] = { LOG_ERROR, "is down" },
    };
    uint64_t now = now_ms();
    pthread_mutex_lock(&voice->mutex);
    if (!rate_allows(&voice->health, HEALTH_LINES, 60000, now)) {
        voice->health_untold++;
    } else if (voice->log) {
        rate_charge(&voice->health, HEALTH_LINES, 60000, now);
        log_room(voice->log, told[health].level, voice->room, "%s%s%s suppressed=%llu", told[health].says,
                 *text ? ": " : "", text, (unsigned long long)voice->health_untold);
        voice->health_untold = 0;
    }
    pthread_mutex_unlock(&voice->mutex);
}
