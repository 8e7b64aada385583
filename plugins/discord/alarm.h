/* Timers that are never refused.
 *
 * d-back may have no timer left (DBACK_LIMIT), and whatever waited for one would then wait for ever. So one
 * that ticks is taken at the very beginning, without which there is no instance at all, and an alarm for
 * which d-back has none is rung by that: a second late at most.
 */
#ifndef DBACK_DISCORD_ALARM_H
#define DBACK_DISCORD_ALARM_H

#include "base.h"

#include <sys/queue.h>

struct alarms {
    const dback_host *host;
    int64_t tick;
    TAILQ_HEAD(, alarm) owed; /* for which d-back had none */
    bool told;                /* the log has been */
};

/* False: d-back has no timer. */
bool alarms_init(struct alarms *alarms, const dback_host *host);
void alarms_finish(struct alarms *alarms);

struct alarm {
    TAILQ_ENTRY(alarm) link; /* of alarms->owed */
    struct alarms *alarms;
    void (*ring)(void *arg);
    void *arg;
    int64_t timer; /* 0: none */
    bool owed;
    uint64_t due_ms, repeat_ms;
};

/* Must stay where it is while it is set. */
void alarm_init(struct alarm *alarm, struct alarms *alarms, void (*ring)(void *arg), void *arg);
/* Rings after `ms`, never from within this call, and then every `repeat_ms` (0: once); what was set before is
 * forgotten. */
void alarm_set(struct alarm *alarm, uint64_t ms, uint64_t repeat_ms);
/* Of one that isn't set it does nothing. */
void alarm_stop(struct alarm *alarm);
bool alarm_is_set(const struct alarm *alarm);

#endif
