/* See alarm.h. */
#include "alarm.h"

#define TICK_MS 1000

static void on_ring(void *arg)
{
    struct alarm *alarm = arg;
    if (!alarm->repeat_ms)
        alarm->timer = 0;
    alarm->ring(alarm->arg);
}

static void owe(struct alarm *alarm)
{
    struct alarms *alarms = alarm->alarms;
    alarm->owed = true;
    TAILQ_INSERT_TAIL(&alarms->owed, alarm, link);
    if (!alarms->told)
        say(alarms->host, DBACK_LOG_WARN,
            "d-back has no timer left for this provider: it goes on, but slowly");
    alarms->told = true;
}

void alarm_init(struct alarm *alarm, struct alarms *alarms, void (*ring)(void *arg), void *arg)
{
    *alarm = (struct alarm){ .alarms = alarms, .ring = ring, .arg = arg };
}

void alarm_set(struct alarm *alarm, uint64_t ms, uint64_t repeat_ms)
{
    const dback_host *host = alarm->alarms->host;
    alarm_stop(alarm);
    alarm->due_ms = clock_ms() + ms;
    alarm->repeat_ms = repeat_ms;
    int64_t timer = host->start_timer(host, ms, repeat_ms, on_ring, alarm);
    if (timer > 0)
        alarm->timer = timer;
    else
        owe(alarm);
}

void alarm_stop(struct alarm *alarm)
{
    const struct alarms *alarms = alarm->alarms;
    if (alarm->timer)
        alarms->host->stop_timer(alarms->host, alarm->timer);
    alarm->timer = 0;
    if (alarm->owed)
        TAILQ_REMOVE(&alarm->alarms->owed, alarm, link);
    alarm->owed = false;
}

bool alarm_is_set(const struct alarm *alarm)
{
    return alarm->timer || alarm->owed;
}

/* Those that are due are rung, the others have another chance to get a timer. What rings may set and stop
 * alarms, its own included, so every step takes the first of the list, and no more steps are taken than there
 * were alarms: one that was put back at its end is looked at again in vain at most. */
static void on_tick(void *arg)
{
    struct alarms *alarms = arg;
    struct alarm *alarm;
    size_t left = 0;
    TAILQ_FOREACH(alarm, &alarms->owed, link)
    {
        left++;
    }
    for (; left > 0 && (alarm = TAILQ_FIRST(&alarms->owed)); left--) {
        uint64_t now = clock_ms();
        bool due = alarm->due_ms <= now;
        if (!due)
            alarm_set(alarm, alarm->due_ms - now, alarm->repeat_ms);
        else if (alarm->repeat_ms)
            alarm_set(alarm, alarm->repeat_ms, alarm->repeat_ms);
        else
            alarm_stop(alarm);
        if (due)
            alarm->ring(alarm->arg);
    }
}

bool alarms_init(struct alarms *alarms, const dback_host *host)
{
    *alarms = (struct alarms){ .host = host };
    TAILQ_INIT(&alarms->owed);
    alarms->tick = host->start_timer(host, TICK_MS, TICK_MS, on_tick, alarms);
    return alarms->tick > 0;
}

void alarms_finish(struct alarms *alarms)
{
    if (alarms->tick > 0)
        alarms->host->stop_timer(alarms->host, alarms->tick);
    alarms->tick = 0;
}
