/* The Discord provider: its vtable, and how its parts begin and end. See discord.h. */
#include "discord.h"

#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------ what the gateway tells ---------------------------------------------------- */

static void on_dispatch(void *arg, const char *type, const json_t *data)
{
    dispatch(arg, type, data);
}

static void on_live(void *arg, bool resumed)
{
    struct discord *d = arg;
    d->failing = false;
    say(d->host, DBACK_LOG_INFO,
        resumed ? "the gateway session was resumed" : "the gateway session has begun");
    health_well(&d->health, HEALTH_GATEWAY);
    loader_go_on(d);
    answers_settle(d);
}

static void on_ended(void *arg, enum gateway_end end, const char *why)
{
    struct discord *d = arg;
    d->failing = true;
    if (end == GATEWAY_TOKEN)
        application_token_refused(d, why);
    else if (end == GATEWAY_INTENTS)
        application_intents_refused(d, why);
    else
        health_problem(&d->health, HEALTH_GATEWAY, "%s%s", why,
                       end == GATEWAY_LOST ? "; trying again, what viewers see stays as it is" : "");
    answers_settle(d);
}

static const struct gateway_events gateway_events = { on_dispatch, on_live, on_ended };

/* REST has refused the bot's token. */
static void on_token_refused(void *arg)
{
    application_token_refused(
        arg, "Discord refuses the bot's token: reset it in the developer portal (application > Bot "
             "> Reset Token) and put the new one into the token's file");
}

/* ------------------ life ---------------------------------------------------------------------- */

static void on_begin(void *arg)
{
    struct discord *d = arg;
    application_begin(d);
}

static void discord_quiesce(void *self)
{
    struct discord *d = self;
    d->ended = true;
    alarm_stop(&d->begin);
    alarm_stop(&d->settle);
    alarm_stop(&d->loader);
    recheck_end(&d->login);
    application_end(d);
    if (d->gateway)
        gateway_stop(d->gateway);
    if (d->poll)
        poll_end(d->poll);
}

static void discord_destroy(void *self)
{
    struct discord *d = self;
    struct guild *guild;
    discord_quiesce(d);
    gateway_destroy(d->gateway);
    rest_destroy(d->rest); /* from here on no question is answered any more, and who asked may go */
    doctor_free(d->doctor);
    poll_destroy(d->poll);
    login_finish(&d->login);
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));)
        guild_free(guild);
    table_finish(&d->guilds);
    outbox_finish(&d->outbox);
    alarms_finish(&d->alarms);
    options_finish(&d->options);
    free(d->questions);
    free(d);
}

/* DBACK_OK, or a sentence in `error`. */
static int32_t begin(struct discord *d, char *error, size_t size)
{
    const struct options *options = &d->options;
    snprintf(error, size, "out of memory");
    if (!login_init(&d->login, d))
        return DBACK_FAILED;
    d->rest = rest_create(&d->alarms, &options->api, options->ca_file, options->token, on_token_refused, d,
                          error, size);
    if (!d->rest)
        return DBACK_FAILED;
    if (options->mode == MODE_GATEWAY) {
        const struct gateway_setup setup = { .alarms = &d->alarms,
                                             .rest = d->rest,
                                             .url = options->has_gateway ? &options->gateway : NULL,
                                             .ca_file = options->ca_file,
                                             .events = &gateway_events,
                                             .arg = d };
        d->gateway = gateway_create(&setup);
        snprintf(error, size, "libwebsockets can't be initialised%s%s",
                 *options->ca_file ? "; is this a CA file: " : "", options->ca_file);
    } else {
        d->poll = poll_create(d);
    }
    if (!d->gateway && !d->poll)
        return DBACK_FAILED;
    d->application.asking = true;
    alarm_set(&d->begin, 0, 0);
    return DBACK_OK;
}

static int32_t discord_create(const dback_host *host, dback_str options, void **self, char *error,
                              size_t error_size)
{
    struct discord *d = calloc(1, sizeof *d);
    if (!d) {
        snprintf(error, error_size, "out of memory");
        return DBACK_FAILED;
    }
    d->host = host;
    table_init(&d->guilds, GUILDS_MAX);
    bool timers = alarms_init(&d->alarms, host);
    outbox_init(&d->outbox, &d->alarms);
    health_init(&d->health, host);
    application_init(&d->application, d);
    alarm_init(&d->begin, &d->alarms, on_begin, d);
    alarm_init(&d->settle, &d->alarms, dispatch_settle, d);
    alarm_init(&d->loader, &d->alarms, loader_tick, d);
    int32_t result = options_read(&d->options, options, error, error_size);
    if (result == DBACK_OK && !timers) {
        snprintf(error, error_size, "d-back has no timer left for this provider");
        result = DBACK_LIMIT;
    }
    if (result == DBACK_OK)
        result = begin(d, error, error_size);
    if (result != DBACK_OK) {
        discord_destroy(d);
        return result;
    }
    *error = '\0';
    *self = d;
    return DBACK_OK;
}

/* ------------------ questions ----------------------------------------------------------------- */

static snowflake guild_number(dback_str server)
{
    snowflake id = 0;
    return snowflake_parse(server.ptr ? server.ptr : "", server.len, &id) ? id : 0;
}

static void discord_servers(void *self, dback_request request)
{
    answers_ask(self, &(struct question){ .request = request, .kind = ASKS_SERVERS });
}

static void discord_users(void *self, dback_request request, dback_str server)
{
    struct discord *d = self;
    struct guild *guild = discord_guild(d, guild_number(server));
    if (d->poll && guild)
        poll_want(d->poll, guild);
    answers_ask(d,
                &(struct question){ .request = request, .kind = ASKS_USERS, .guild = guild_number(server) });
}

static void discord_validate(void *self, dback_request request, const dback_login *claim)
{
    struct discord *d = self;
    login_check(&d->login, request, claim);
}

static void discord_client_id(void *self, dback_request request, dback_str server)
{
    answers_ask(self, &(struct question){
                          .request = request, .kind = ASKS_CLIENT_ID, .guild = guild_number(server) });
}

static void discord_watched(void *self, dback_str server, uint32_t viewers)
{
    struct discord *d = self;
    struct guild *guild = discord_guild(d, guild_number(server));
    if (guild)
        guild->watched = viewers > 0;
    if (d->poll && guild_number(server))
        poll_watched(d->poll, guild_number(server), viewers > 0);
}

static void discord_cancel(void *self, dback_request request)
{
    struct discord *d = self;
    answers_cancel(d, request);
    login_cancel(&d->login, request);
}

/* ------------------ extensions ---------------------------------------------------------------- */

static const void *discord_extension(void *self, const char *name)
{
    (void)self;
    return strcmp(name, DISCORD_DOCTOR) == 0 ? &discord_doctor : NULL;
}

static const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    .create = discord_create,
    .destroy = discord_destroy,
    .servers = discord_servers,
    .users = discord_users,
    .validate = discord_validate,
    .client_id = discord_client_id,
    .watched = discord_watched,
    .cancel = discord_cancel,
    .quiesce = discord_quiesce,
    .extension = discord_extension,
};

DBACK_PROVIDER_ENTRY("discord", DISCORD_VERSION, &vtable)
