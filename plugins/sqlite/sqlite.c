/* The sqlite provider: a database that any program can write becomes a live world. See sqlite.h.
 *
 * This file is the vtable, and how an instance begins and ends.
 */
#include "sqlite.h"

#include <stdlib.h>

static void free_provider(struct provider *provider)
{
    passwords_destroy(provider->passwords);
    deliveries_close(&provider->deliveries);
    database_close(&provider->database);
    watches_finish(&provider->watches);
    outbox_finish(&provider->outbox);
    options_finish(&provider->options);
    free(provider);
}

static int32_t out_of_memory(char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    return DBACK_FAILED;
}

static void say_what_is_missing(struct provider *provider)
{
    if (provider->database.own && !database_has_wal(&provider->database))
        say(&provider->say, DBACK_LOG_INFO,
            "%s isn't in WAL mode, so those who write and those who read wait for each other: PRAGMA "
            "journal_mode = WAL",
            provider->options.database);
    if (provider->database.selects[SOURCE_MESSAGES] && !provider->deliveries.handle)
        say(&provider->say, DBACK_LOG_INFO,
            "read_only without the option state: messages aren't sent, because it can't be remembered which "
            "were");
}

static int32_t begin(struct provider *provider, dback_str options, char *error, size_t error_size)
{
    int32_t result = options_read(&provider->options, options, error, error_size);
    if (result != DBACK_OK)
        return result;
    provider->passwords = passwords_create(provider->host);
    if (!provider->passwords || outbox_init(&provider->outbox) != DBACK_OK)
        return out_of_memory(error, error_size);
    result = database_open(&provider->database, &provider->options, true, error, error_size);
    if (result == DBACK_OK)
        result = deliveries_open(&provider->deliveries, &provider->database, error, error_size);
    if (result != DBACK_OK)
        return result;
    say_what_is_missing(provider);
    if (live_start(provider) == DBACK_OK && trim_start(provider) == DBACK_OK)
        return DBACK_OK;
    live_stop(provider);
    snprintf(error, error_size, "no timer to be had");
    return DBACK_FAILED;
}

static int32_t sqlite_create(const dback_host *host, dback_str options, void **self, char *error,
                             size_t error_size)
{
    struct provider *provider = calloc(1, sizeof *provider);
    if (!provider)
        return out_of_memory(error, error_size);
    provider->host = provider->say.host = provider->health.host = host;
    provider->health.say = &provider->say;
    provider->database.options = &provider->options;
    int32_t result = begin(provider, options, error, error_size);
    if (result != DBACK_OK) {
        free_provider(provider);
        return result;
    }
    *self = provider;
    return DBACK_OK;
}

static void sqlite_watched(void *self, dback_str server, uint32_t viewers)
{
    struct provider *provider = self;
    struct watch *watch = watches_add(&provider->watches, server);
    if (!watch)
        return;
    outbox_watched(provider, watch, viewers > 0);
    if (viewers == 0) /* nobody misses them */
        answer_note_left_out(provider, watch, 0, "");
}

static void sqlite_cancel(void *self, dback_request request)
{
    struct provider *provider = self;
    passwords_cancel(provider->passwords, request);
}

static void sqlite_quiesce(void *self)
{
    struct provider *provider = self;
    provider->ended = true;
    live_stop(provider);
    trim_stop(provider);
    outbox_end(provider);
    passwords_quiesce(provider->passwords);
}

static void sqlite_destroy(void *self)
{
    free_provider(self);
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = sqlite_create,
    .destroy = sqlite_destroy,
    .servers = answer_servers,
    .users = answer_users,
    .validate = answer_validate,
    .client_id = answer_client_id,
    .static_file = answer_static_file,
    .watched = sqlite_watched,
    .cancel = sqlite_cancel,
    .quiesce = sqlite_quiesce,
};

DBACK_PROVIDER_ENTRY("sqlite", SQLITE_PROVIDER_VERSION, &vtable)
