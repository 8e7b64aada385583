/* See application.h. */
#include "discord.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_CHECK_MS 2000
#define INTENTS_CHECK_MS 15000

/* Flags of an application: each intent has one for verified bots and one for bots on few guilds. */
#define FLAG_PRESENCES (UINT64_C(3) << 12)
#define FLAG_MEMBERS (UINT64_C(3) << 14)
#define FLAG_CONTENT (UINT64_C(3) << 18)

static void ask(struct discord *d);

uint32_t application_intents(uint32_t wanted, bool flags_known, uint64_t flags, char *missing, size_t size)
{
    static const struct {
        uint32_t intent;
        uint64_t flag;
        const char *without;
    } privileged[] = {
        { INTENT_GUILD_PRESENCES, FLAG_PRESENCES,
          "\"Presence Intent\" (without it nobody's status is known)" },
        { INTENT_GUILD_MEMBERS, FLAG_MEMBERS,
          "\"Server Members Intent\" (without it only those who speak are known)" },
        { INTENT_MESSAGE_CONTENT, FLAG_CONTENT,
          "\"Message Content Intent\" (without it messages are empty)" },
    };
    uint32_t intents = 0;
    size_t len = 0;
    *missing = '\0';
    for (size_t i = 0; i < sizeof privileged / sizeof privileged[0]; i++) {
        if (!(wanted & privileged[i].intent))
            continue;
        if (!flags_known || (flags & privileged[i].flag)) {
            intents |= privileged[i].intent;
        } else if (len < size) {
            int n = snprintf(missing + len, size - len, "%s%s", len ? ", " : "", privileged[i].without);
            len += n > 0 ? (size_t)n : 0;
        }
    }
    return intents;
}

/* ------------------ what is known ------------------------------------------------------------- */

/* Also to those who have asked before it was known, and got none. */
static void tell_client_id(struct discord *d)
{
    const struct guild *guild;
    for (size_t i = 0; i < d->options.guild_count; i++)
        outbox_client_id(&d->outbox, d->options.guilds[i].guild, d->application.client_id);
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));)
        if (guild->options == &d->options.common)
            outbox_client_id(&d->outbox, guild->id, d->application.client_id);
}

static void set_client_id(struct discord *d, const char *id)
{
    struct application *a = &d->application;
    if (strlen(id) >= sizeof a->client_id || strcmp(id, a->client_id) == 0)
        return;
    bool awaited = a->client_id[0] || d->refused_client_id;
    strcpy(a->client_id, id);
    login_application_changed(&d->login);
    d->refused_client_id = false;
    if (awaited)
        tell_client_id(d);
}

void application_tell(struct discord *d, const json_t *json)
{
    snowflake id = json_snowflake(json, "id");
    if (id && !*d->options.client_id)
        set_client_id(d, snowflake_text(id).text);
    if (json_is_integer(json_object_get(json, "flags"))) {
        d->application.flags_known = true;
        d->application.flags = json_bits(json, "flags");
    }
}

/* Says what is switched off. The intents to ask for. */
static uint32_t judge_intents(struct discord *d)
{
    char missing[400];
    uint32_t wanted =
        d->gateway ? INTENTS_PRIVILEGED : INTENT_GUILD_MEMBERS; /* REST has no statuses, no messages */
    uint32_t intents = INTENT_GUILDS | INTENT_GUILD_MESSAGES |
                       application_intents(wanted, d->application.flags_known, d->application.flags, missing,
                                           sizeof missing);
    if (*missing)
        health_problem(
            &d->health, HEALTH_INTENTS,
            "switched off in the developer portal (application > Bot > Privileged Gateway Intents): %s",
            missing);
    else
        health_well(&d->health, HEALTH_INTENTS);
    return intents;
}

/* ------------------ waiting for the operator -------------------------------------------------- */

/* 0: there is nothing to wait for. */
static void watch(struct discord *d, uint64_t ms)
{
    if (ms && !d->ended)
        alarm_set(&d->application.watch, ms, ms);
    else
        alarm_stop(&d->application.watch);
}

/* The same file, touched, is a wish to try again. */
static void try_new_token(struct discord *d)
{
    char fault[512];
    if (!*d->options.token_file || !secret_changed(d->options.token_file, &d->options.token_mark))
        return;
    if (!options_reread_token(&d->options, fault, sizeof fault)) {
        health_problem(&d->health, HEALTH_TOKEN, "%s", fault);
        return;
    }
    say(d->host, DBACK_LOG_INFO, "there is a new token, trying it");
    rest_set_token(d->rest, d->options.token);
    d->application.intents_refused = false;
    application_begin(d);
}

static void on_flags(void *arg, const struct rest_answer *answer)
{
    struct discord *d = arg;
    if (answer->problem || d->ended)
        return;
    application_tell(d, answer->body);
    struct application *a = &d->application;
    uint32_t intents = judge_intents(d);
    bool again = a->intents_refused ? a->flags_known && a->flags != a->refused_with : intents != a->intents;
    if (!again)
        return;
    say(d->host, DBACK_LOG_INFO, "the intents have been changed in the developer portal%s",
        d->gateway ? ", beginning a new session" : "");
    a->intents_refused = false;
    a->intents = intents;
    if (d->gateway)
        gateway_start(d->gateway, d->options.token, intents);
    else
        poll_forget_refusals(d->poll);
    if (!d->health.problems[HEALTH_INTENTS][0])
        watch(d, 0);
}

static void on_watch(void *arg)
{
    struct discord *d = arg;
    if (d->health.problems[HEALTH_TOKEN][0]) {
        try_new_token(d);
        return;
    }
    if (d->application.intents_refused)
        try_new_token(d);
    const struct rest_question question = { .auth = REST_BOT,
                                            .route = "/oauth2/applications/@me",
                                            .path = "/oauth2/applications/@me" };
    rest_ask(d->rest, &question, on_flags, d);
}

void application_token_refused(struct discord *d, const char *why)
{
    health_problem(
        &d->health, HEALTH_TOKEN, "%s%s", why,
        *d->options.token_file ? "" : " (the token came from the environment: d-back has to be restarted)");
    d->application.asking = false;
    d->failing = true;
    if (d->gateway)
        gateway_stop(d->gateway);
    watch(d, TOKEN_CHECK_MS);
    answers_settle(d);
}

void application_intents_refused(struct discord *d, const char *why)
{
    struct application *a = &d->application;
    a->intents_refused = true;
    a->refused_with = a->flags;
    d->failing = true;
    /* A part of its own: what the portal says of the intents is judged again and again, and may be fine. */
    health_problem(&d->health, HEALTH_GATEWAY, "%s%s", why,
                   a->flags_known
                       ? ""
                       : "; then touch the token's file, or restart d-back: this server doesn't tell "
                         "which are on");
    watch(d, INTENTS_CHECK_MS);
    answers_settle(d);
}

/* ------------------ asking -------------------------------------------------------------------- */

static void on_retry(void *arg)
{
    ask(arg);
}

/* It can't be reached: later. */
static void retry(struct discord *d, const char *why)
{
    struct application *a = &d->application;
    health_problem(&d->health, HEALTH_REST, "%s", why);
    a->asking = false;
    d->failing = true;
    alarm_set(&a->retry, backoff_ms(a->attempts++), 0);
    answers_settle(d);
}

static void go_on(struct discord *d)
{
    struct application *a = &d->application;
    a->asking = false;
    a->attempts = 0;
    d->failing = false;
    health_well(&d->health, HEALTH_REST);
    a->intents = judge_intents(d);
    watch(d, d->health.problems[HEALTH_INTENTS][0] ? INTENTS_CHECK_MS : 0);
    if (d->gateway)
        gateway_start(d->gateway, d->options.token, a->intents);
    else
        poll_begin(d->poll);
    answers_settle(d);
}

static void on_application(void *arg, const struct rest_answer *answer)
{
    struct discord *d = arg;
    if (d->ended || answer->status == 401) /* that was told already */
        return;
    if (answer->status == 200 && answer->body) {
        health_well(&d->health, HEALTH_TOKEN);
        application_tell(d, answer->body);
    } else if (answer->status != 403 && answer->status != 404) {
        retry(d, answer->problem);
        return;
    }
    go_on(d); /* a server that doesn't tell: READY may */
}

static void ask(struct discord *d)
{
    const struct rest_question question = { .auth = REST_BOT,
                                            .route = "/oauth2/applications/@me",
                                            .path = "/oauth2/applications/@me",
                                            .urgent = true }; /* retry() comes back to it */
    d->application.asking = true;
    if (!rest_ask(d->rest, &question, on_application, d))
        retry(d, "too many questions wait already");
}

void application_init(struct application *a, struct discord *d)
{
    alarm_init(&a->retry, &d->alarms, on_retry, d);
    alarm_init(&a->watch, &d->alarms, on_watch, d);
}

void application_begin(struct discord *d)
{
    health_well(&d->health, HEALTH_TOKEN);
    if (*d->options.client_id)
        set_client_id(d, d->options.client_id);
    d->failing = false;
    ask(d);
}

void application_end(struct discord *d)
{
    alarm_stop(&d->application.retry);
    alarm_stop(&d->application.watch);
}
