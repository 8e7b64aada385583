/* See voice.h. */
#include "provider/voice.h"

#include <stdarg.h>
#include <stdio.h>

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
