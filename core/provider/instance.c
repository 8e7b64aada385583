/* What the core calls. See instance.h; the thread's side is life.c. */
#include "provider/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Of one instance; see struct requests_limits. */
#define ROW_BYTES_MAX ((size_t)512 << 20)
#define CONTENT_BYTES_MAX ((size_t)256 << 20)

struct instance *instance_start(const struct instance_config *config)
{
    struct instance *instance = xcalloc(1, sizeof *instance);
    instance->name = xstrdup(config->name);
    instance->file = config->file ? xstrdup(config->file) : NULL;
    instance->options = xstrdup(config->options ? config->options : "{}");
    instance->runtime_dir = config->runtime_dir ? xstrdup(config->runtime_dir) : NULL;
    instance->entry = config->entry;
    host_fill(&instance->host, instance);
    outbox_init(&instance->outbox, config->wake, config->event_limit);
    instance->requests = requests_create(&instance->outbox, &instance->tally,
                                         &(struct requests_limits){ .servers = config->server_limit,
                                                                    .users = config->user_limit,
                                                                    .row_bytes = ROW_BYTES_MAX,
                                                                    .content_bytes = CONTENT_BYTES_MAX });
    voice_init(&instance->voice, config->log, config->name);
    atomic_init(&instance->references, 1);
    pthread_mutex_init(&instance->mutex, NULL);
    holds_init(&instance->holds);
    instance->health.since_ms = now_ms();
    TAILQ_INIT(&instance->watched);
    int result = life_start(instance);
    if (result < 0) {
        char err[ERR_SIZE];
        fail(err, result, "provider %s can't have a thread and a loop of its own: %s", config->name,
             uv_strerror(result));
        outbox_post(&instance->outbox,
                    mail_create(&(struct instance_mail){
                        .kind = MAIL_CREATED, .result = DBACK_FAILED, .why = str_of(err) }));
    }
    return instance;
}

struct mailbox *instance_inbox(struct instance *instance)
{
    return &instance->outbox.inbox;
}

void instance_events_handled(struct instance *instance, size_t count)
{
    atomic_fetch_sub(&instance->outbox.events, count);
}

void instance_pause_events(struct instance *instance, bool paused)
{
    outbox_pause(&instance->outbox, paused);
}

const struct file_identity *instance_file(const struct instance *instance)
{
    return &instance->identity;
}

const char *instance_name(const struct instance *instance)
{
    return instance->judged.name;
}

const char *instance_version(const struct instance *instance)
{
    return instance->judged.version;
}

unsigned instance_abi_minor(const struct instance *instance)
{
    return instance->judged.minor;
}

bool instance_pushes(const struct instance *instance)
{
    return instance->pushes;
}

bool instance_offers(const struct instance *instance, enum capability capability)
{
    return (unsigned)capability < CAP_COUNT && instance->offers[capability];
}

int instance_ask(struct instance *instance, uint64_t request, const struct question *question)
{
    int result = requests_open(instance->requests, request, question);
    if (result == 0)
        life_wake(instance);
    return result;
}

void instance_cancel(struct instance *instance, uint64_t request)
{
    if (requests_cancel(instance->requests, request))
        life_wake(instance);
}

static struct watched *find_watched(struct instance *instance, struct str server)
{
    struct watched *watched;
    TAILQ_FOREACH(watched, &instance->watched, link)
    if (str_equal((struct str){ watched->server, watched->len }, server))
        return watched;
    return NULL;
}

void instance_watched(struct instance *instance, struct str server, uint32_t viewers)
{
    pthread_mutex_lock(&instance->mutex);
    if (!instance->stopping) {
        struct watched *watched = find_watched(instance, server);
        if (!watched) {
            watched = xmalloc(sizeof *watched + server.len + 1);
            watched->len = server.len;
            if (server.len)
                memcpy(watched->server, server.ptr, server.len);
            watched->server[server.len] = '\0';
            TAILQ_INSERT_TAIL(&instance->watched, watched, link);
        }
        watched->viewers = viewers;
    }
    pthread_mutex_unlock(&instance->mutex);
    life_wake(instance);
}

void instance_stop(struct instance *instance)
{
    pthread_mutex_lock(&instance->mutex);
    bool again = instance->stopping, has_thread = instance->has_thread;
    pthread_mutex_unlock(&instance->mutex);
    if (again)
        return;
    outbox_close(&instance->outbox);
    requests_close(instance->requests);
    pthread_mutex_lock(&instance->mutex);
    instance->stopping = true;
    struct watched *watched;
    while ((watched = TAILQ_FIRST(&instance->watched))) {
        TAILQ_REMOVE(&instance->watched, watched, link);
        free(watched);
    }
    pthread_mutex_unlock(&instance->mutex);
    if (has_thread)
        life_wake(instance);
    else
        outbox_post_last(&instance->outbox, mail_create(&(struct instance_mail){ .kind = MAIL_STOPPED }));
}

void instance_free(struct instance *instance)
{
    if (!instance)
        return;
    pthread_mutex_lock(&instance->mutex);
    bool has_thread = instance->has_thread;
    pthread_t last = instance->last_thread;
    pthread_mutex_unlock(&instance->mutex);
    if (has_thread)
        pthread_join(last, NULL);
    life_release(instance);
}

void instance_abandon(struct instance *instance)
{
    outbox_close(&instance->outbox);
    mailbox_close(&instance->outbox.inbox);
    voice_silence(&instance->voice);
    instance_stop(instance); /* should the thread come back after all, it ends in order */
    pthread_mutex_lock(&instance->mutex);
    instance->abandoned = true; /* before the copy goes: one that is only now being made goes with load() */
    if (instance->has_thread && instance->last_is_known)
        pthread_detach(instance->last_thread);
    pthread_mutex_unlock(&instance->mutex);
    life_unlink_copy(instance);
    life_release(instance);
}

void instance_waiting_for(struct instance *instance, struct text_buffer *out)
{
    pthread_mutex_lock(&instance->mutex);
    if (instance->busy_with)
        text_appendf(out, "%s for %llu s", instance->busy_with,
                     (unsigned long long)((now_ms() - instance->busy_since_ms) / 1000));
    else if (instance->stopping && holds_count(&instance->holds) > 0)
        holds_write(&instance->holds, out);
    else if (instance->stopping)
        text_append_literal(out, "its thread to end");
    else
        text_append_literal(out, "nothing");
    pthread_mutex_unlock(&instance->mutex);
}

uint64_t instance_busy_ms(struct instance *instance)
{
    pthread_mutex_lock(&instance->mutex);
    uint64_t now = now_ms(), ms = instance->busy_with ? now - instance->busy_since_ms : 0;
    pthread_mutex_unlock(&instance->mutex);
    return ms;
}

size_t instance_holds(struct instance *instance, struct text_buffer *reasons)
{
    pthread_mutex_lock(&instance->mutex);
    size_t count = holds_count(&instance->holds);
    if (count)
        holds_write(&instance->holds, reasons);
    pthread_mutex_unlock(&instance->mutex);
    return count;
}

void instance_health(struct instance *instance, struct instance_health *out)
{
    pthread_mutex_lock(&instance->mutex);
    *out = instance->health;
    pthread_mutex_unlock(&instance->mutex);
}

void instance_count(struct instance *instance, struct instance_counters *out)
{
    *out = (struct instance_counters){
        .requests = atomic_load(&instance->tally.requests),
        .late = atomic_load(&instance->tally.late),
        .doubled = atomic_load(&instance->tally.doubled),
        .invalid = atomic_load(&instance->tally.invalid),
        .busy = atomic_load(&instance->tally.busy),
        .events = atomic_load(&instance->tally.events),
    };
}
