/* See doctor.h. One check asks one question; its answer begins the next. */
#include "doctor.h"

#include "discord.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUILDS_SHOWN 200

struct doctor {
    struct discord *discord;
    doctor_line line;
    doctor_done done;
    void *arg;
    uint32_t errors;
    size_t at; /* the guild that is asked about */
    bool passworded;
};

typedef void (*step)(struct doctor *doctor);
static void next_guild(struct doctor *doctor);

__attribute__((format(printf, 3, 4))) static void tell(struct doctor *doctor, uint32_t level,
                                                       const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doctor->errors += level == DBACK_LOG_ERROR;
    doctor->line(doctor->arg, level, dback_text(text));
}

static void finish(struct doctor *doctor)
{
    doctor_done done = doctor->done;
    void *arg = doctor->arg;
    uint32_t errors = doctor->errors;
    doctor->discord->doctor = NULL;
    doctor_free(doctor);
    done(arg, errors);
}

static void ask(struct doctor *doctor, const char *route, snowflake major, const char *path,
                enum rest_auth auth, rest_callback done)
{
    const struct rest_question question = { .auth = auth, .route = route, .major = major, .path = path };
    if (!rest_ask(doctor->discord->rest, &question, done, doctor)) {
        tell(doctor, DBACK_LOG_ERROR, "out of memory");
        finish(doctor);
    }
}

/* ------------------ guilds -------------------------------------------------------------------- */

static const struct guild_options *guild_at(const struct doctor *doctor)
{
    const struct options *options = &doctor->discord->options;
    return doctor->at < options->guild_count ? &options->guilds[doctor->at] : NULL;
}

static void on_widget(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const struct snowflake_text id = snowflake_text(guild_at(doctor)->guild);
    if (!answer->problem)
        tell(doctor, DBACK_LOG_INFO, "guild %s: its widget is on and lists %zu members as present", id.text,
             json_array_size(json_object_get(answer->body, "members")));
    else if (answer->status == 403 || answer->status == 404)
        tell(doctor, DBACK_LOG_WARN,
             "guild %s: its widget is off, so with mode = \"rest\" nobody's status is known; it is switched "
             "on in the "
             "guild's settings > Engagement > Server Widget",
             id.text);
    else
        tell(doctor, DBACK_LOG_WARN, "guild %s: whether its widget is on can't be said: %s", id.text,
             answer->problem);
    doctor->at++;
    next_guild(doctor);
}

static void on_members(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const struct snowflake_text id = snowflake_text(guild_at(doctor)->guild);
    char path[64];
    if (!answer->problem)
        tell(doctor, DBACK_LOG_INFO, "guild %s: its members can be listed", id.text);
    else if (answer->status == 403)
        tell(doctor, DBACK_LOG_ERROR,
             "guild %s: its members can't be listed: switch on \"Server Members Intent\" in the developer "
             "portal "
             "(application > Bot)",
             id.text);
    else
        tell(doctor, DBACK_LOG_ERROR, "guild %s: its members can't be listed: %s", id.text, answer->problem);
    snprintf(path, sizeof path, "/guilds/%s/widget.json", id.text);
    ask(doctor, "/guilds/ID/widget.json", guild_at(doctor)->guild, path, REST_OPEN, on_widget);
}

static void on_guild(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const struct snowflake_text id = snowflake_text(guild_at(doctor)->guild);
    const char *name = json_text(answer->body, "name");
    char path[64];
    if (answer->problem) {
        tell(doctor, DBACK_LOG_ERROR,
             "guild %s: the bot can't see it (%s); invite it there with the scope \"bot\"", id.text,
             answer->problem);
        doctor->at++;
        next_guild(doctor);
        return;
    }
    tell(doctor, DBACK_LOG_INFO, "guild %s: it is \"%.100s\"", id.text, name ? name : "");
    snprintf(path, sizeof path, "/guilds/%s/members?limit=1", id.text);
    ask(doctor, "/guilds/ID/members", guild_at(doctor)->guild, path, REST_BOT, on_members);
}

static void next_guild(struct doctor *doctor)
{
    const struct guild_options *guild = guild_at(doctor);
    char path[64];
    if (!guild || doctor->at >= GUILDS_SHOWN) {
        finish(doctor);
        return;
    }
    snprintf(path, sizeof path, "/guilds/%s", snowflake_text(guild->guild).text);
    ask(doctor, "/guilds/ID", guild->guild, path, REST_BOT, on_guild);
}

static void on_own_guilds(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    size_t count = json_array_size(answer->body);
    if (answer->problem)
        tell(doctor, DBACK_LOG_ERROR, "the bot's guilds can't be listed: %s", answer->problem);
    else if (count == 0)
        tell(doctor, DBACK_LOG_ERROR, "the bot is on no guild: invite it with the scope \"bot\"");
    else
        tell(doctor, DBACK_LOG_INFO, "the bot is on %s%zu guild%s", count == 200 ? "at least " : "", count,
             count == 1 ? "" : "s");
    next_guild(doctor);
}

static void check_guilds(struct doctor *doctor)
{
    ask(doctor, "/users/@me/guilds", 0, "/users/@me/guilds?limit=200", REST_BOT, on_own_guilds);
}

/* ------------------ the gateway --------------------------------------------------------------- */

static void on_gateway(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const json_t *limit = json_object_get(answer->body, "session_start_limit");
    json_int_t remaining = json_number(limit, "remaining", -1);
    if (answer->problem)
        tell(doctor, DBACK_LOG_ERROR, "the gateway's address can't be had: %s", answer->problem);
    else
        tell(doctor, remaining == 0 ? DBACK_LOG_ERROR : DBACK_LOG_INFO,
             "the gateway takes %" JSON_INTEGER_FORMAT " more sessions today", remaining);
    check_guilds(doctor);
}

static void check_gateway(struct doctor *doctor)
{
    if (doctor->discord->options.mode == MODE_REST || doctor->discord->options.has_gateway)
        check_guilds(doctor);
    else
        ask(doctor, "/gateway/bot", 0, "/gateway/bot", REST_BOT, on_gateway);
}

/* ------------------ the application ----------------------------------------------------------- */

static void check_client_id(struct doctor *doctor, const json_t *application)
{
    const char *configured = doctor->discord->options.client_id, *id = json_text(application, "id");
    if (*configured && id && strcmp(configured, id) != 0)
        tell(doctor, DBACK_LOG_ERROR,
             "the option client_id is %s, but the token belongs to application %.32s", configured, id);
    else
        tell(doctor, DBACK_LOG_INFO, "the client id is %.32s", id ? id : configured);
}

static void check_intents(struct doctor *doctor, const json_t *application)
{
    char missing[400];
    bool gateway = doctor->discord->options.mode == MODE_GATEWAY;
    application_intents(gateway ? INTENTS_PRIVILEGED : INTENT_GUILD_MEMBERS,
                        json_is_integer(json_object_get(application, "flags")),
                        json_bits(application, "flags"), missing, sizeof missing);
    if (*missing)
        tell(doctor, DBACK_LOG_ERROR, "switch on in the developer portal (application > Bot): %s", missing);
    else if (json_is_integer(json_object_get(application, "flags")))
        tell(doctor, DBACK_LOG_INFO, "the privileged intents are switched on");
    else
        tell(doctor, DBACK_LOG_WARN, "this server doesn't tell which intents are switched on");
}

static void check_redirects(struct doctor *doctor, const json_t *application)
{
    const json_t *uris = json_object_get(application, "redirect_uris");
    size_t i;
    json_t *uri;
    if (!doctor->passworded)
        return;
    if (!json_is_array(uris))
        tell(doctor, DBACK_LOG_WARN,
             "Discord doesn't tell which OAuth redirects are registered; the page's own URL has to be among "
             "them "
             "(application > OAuth2 > Redirects)");
    else if (json_array_size(uris) == 0)
        tell(doctor, DBACK_LOG_ERROR,
             "no OAuth redirect is registered, so nobody can log in: add the page's URL in the developer "
             "portal "
             "(application > OAuth2 > Redirects)");
    json_array_foreach(uris, i, uri)
    {
        tell(doctor, DBACK_LOG_INFO, "a page at %.200s may log people in",
             json_string_value(uri) ? json_string_value(uri) : "?");
    }
}

static void on_application(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    if (answer->status == 401) {
        tell(doctor, DBACK_LOG_ERROR,
             "Discord refuses the token: reset it in the developer portal (application > Bot > Reset Token) "
             "and put the "
             "new one into the token's file");
        finish(doctor);
        return;
    }
    if (answer->problem) {
        tell(doctor, DBACK_LOG_ERROR, "the application can't be asked for: %s", answer->problem);
    } else {
        tell(doctor, DBACK_LOG_INFO, "the token is valid, the application is \"%.100s\"",
             json_text(answer->body, "name") ? json_text(answer->body, "name") : "");
        check_client_id(doctor, answer->body);
        check_intents(doctor, answer->body);
        check_redirects(doctor, answer->body);
    }
    check_gateway(doctor);
}

int32_t doctor_run(struct discord *d, doctor_line line, doctor_done done, void *arg)
{
    struct doctor *doctor = d->doctor ? NULL : calloc(1, sizeof *doctor);
    if (!doctor)
        return DBACK_FAILED;
    *doctor = (struct doctor){ .discord = d, .line = line, .done = done, .arg = arg };
    doctor->passworded = d->options.all_guilds && d->options.common.passworded;
    for (size_t i = 0; i < d->options.guild_count; i++)
        doctor->passworded = doctor->passworded || d->options.guilds[i].passworded;
    if (d->begin_timer)
        d->host->stop_timer(d->host, d->begin_timer); /* a check doesn't begin a session */
    d->begin_timer = 0;
    d->doctor = doctor;
    ask(doctor, "/applications/@me", 0, "/applications/@me", REST_BOT, on_application);
    return DBACK_OK;
}

void doctor_free(struct doctor *doctor)
{
    free(doctor);
}
