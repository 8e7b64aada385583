/* How an instance speaks in the log: as "provider/NAME", and once per burst where it complains about the
 * provider.
 *
 * The log belongs to the app and may go before a thread that never came back does, so an instance reaches it
 * only through here, and voice_silence() cuts the way for good.
 */
#ifndef DBACK_PROVIDER_VOICE_H
#define DBACK_PROVIDER_VOICE_H

#include "base/log.h"
#include "base/rate.h"

#include <pthread.h>

enum complaint { COMPLAIN_INVALID, COMPLAIN_LIMIT, COMPLAIN_BUSY, COMPLAIN_THREAD, COMPLAIN_COUNT };

struct voice {
    pthread_mutex_t mutex;
    struct log *log; /* NULL: silenced */
    char room[80];
    struct log_burst bursts[COMPLAIN_COUNT];
    struct rate health; /* how often it may say how it is */
    uint64_t health_untold;
};

void voice_init(struct voice *voice, struct log *log, const char *name);
void voice_finish(struct voice *voice);
/* [any] After it returns nothing here touches the log any more. */
void voice_silence(struct voice *voice);
/* [any] */
void voice_say(struct voice *voice, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
/* [any] A warning, at most one line of a kind in a burst. */
void voice_complain(struct voice *voice, enum complaint kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* [any] It is another now: DBACK_HEALTH_*, and what it says about it. */
void voice_tell_health(struct voice *voice, uint32_t health, const char *text);

#endif
