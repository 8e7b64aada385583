/* See doctor.h. One check asks one question; its answer begins the next. */
#include "doctor.h"

#include "budget.h"
#include "clean.h"
#include "discord.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUILDS_LOOKED_AT 25
#define LIST_PAGE 200
#define SENTENCE_SIZE 600

struct doctor {
    struct discord *discord;
    doctor_line line;
    doctor_done done;
    void *arg;
    bool other_address; /* of the application: not every server knows the first */
    snowflake guilds[GUILDS_LOOKED_AT];
    size_t count, left_out, at; /* `at`: the guild that is asked about */
};

static void ask_application(struct doctor *doctor);
static void next_guild(struct doctor *doctor);

/* Names and addresses in it are Discord's, so it is cleaned as what viewers get to read is. */
__attribute__((format(printf, 3, 4))) static void tell(struct doctor *doctor, uint32_t level,
                                                       const char *format, ...)
{
    char text[SENTENCE_SIZE], clean[SENTENCE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clean_name(text, SENTENCE_SIZE, clean, sizeof clean);
    doctor->line(doctor->arg, level, dback_text(clean));
}

static void finish(struct doctor *doctor)
{
    doctor_done done = doctor->done;
    void *arg = doctor->arg;
    doctor->discord->doctor = NULL;
    doctor_free(doctor);
    done(arg);
}

static void ask(struct doctor *doctor, const char *route, snowflake major, const char *path,
                enum rest_auth auth, rest_callback done)
{
    const struct rest_question question = {
        .auth = auth, .route = route, .major = major, .path = path, .urgent = true /* somebody watches */
    };
    if (!rest_ask(doctor->discord->rest, &question, done, doctor)) {
        tell(doctor, DBACK_LOG_ERROR, "out of memory");
        finish(doctor);
    }
}

static bool uses_gateway(const struct doctor *doctor)
{
    return doctor->discord->options.mode == MODE_GATEWAY;
}

/* ------------------ one guild ----------------------------------------------------------------- */

static void on_widget(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const struct snowflake_text id = snowflake_text(doctor->guilds[doctor->at++]);
    bool off = answer->status == 403 || answer->status == 404;
    if (!answer->problem)
        tell(doctor, DBACK_LOG_INFO, "guild %s: its widget is on and lists %zu members as present", id.text,
             json_array_size(json_object_get(answer->body, "members")));
    else if (off && uses_gateway(doctor))
        tell(doctor, DBACK_LOG_INFO, "guild %s: its widget is off; only mode = \"rest\" would need it",
             id.text);
    else if (off)
        tell(doctor, DBACK_LOG_WARN,
             "guild %s: its widget is off, so with mode = \"rest\" nobody's status is known; it is switched "
             "on "
             "in the guild's settings > Engagement > Server Widget",
             id.text);
    else
        tell(doctor, DBACK_LOG_WARN, "guild %s: whether its widget is on can't be said: %s", id.text,
             answer->problem);
    next_guild(doctor);
}

static void on_members(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    snowflake guild = doctor->guilds[doctor->at];
    const struct snowflake_text id = snowflake_text(guild);
    char path[64];
    if (!answer->problem)
        tell(doctor, DBACK_LOG_INFO, "guild %s: its members can be listed", id.text);
    else if (answer->status == 403)
        tell(doctor, DBACK_LOG_ERROR,
             "guild %s: its members can't be listed: switch on \"Server Members Intent\" in the developer "
             "portal (application > Bot)",
             id.text);
    else
        tell(doctor, DBACK_LOG_ERROR, "guild %s: its members can't be listed: %s", id.text, answer->problem);
    snprintf(path, sizeof path, "/guilds/%s/widget.json", id.text);
    ask(doctor, "/guilds/ID/widget.json", guild, path, REST_OPEN, on_widget);
}

static void on_guild(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    snowflake guild = doctor->guilds[doctor->at];
    const struct snowflake_text id = snowflake_text(guild);
    const char *name = json_text(answer->body, "name");
    char path[64];
    if (answer->problem) {
        bool hidden = answer->status == 403 || answer->status == 404;
        tell(doctor, DBACK_LOG_ERROR, "guild %s: %s%s%s", id.text,
             hidden ? "the bot can't see it (" : "whether the bot can see it can't be said: ",
             answer->problem, hidden ? "); invite it there with the scope \"bot\"" : "");
        doctor->at++;
        next_guild(doctor);
        return;
    }
    tell(doctor, DBACK_LOG_INFO, "guild %s: it is \"%.100s\"", id.text, name ? name : "");
    snprintf(path, sizeof path, "/guilds/%s/members?limit=1", id.text);
    ask(doctor, "/guilds/ID/members", guild, path, REST_BOT, on_members);
}

static void next_guild(struct doctor *doctor)
{
    char path[64];
    if (doctor->at < doctor->count) {
        snowflake guild = doctor->guilds[doctor->at];
        snprintf(path, sizeof path, "/guilds/%s", snowflake_text(guild).text);
        ask(doctor, "/guilds/ID", guild, path, REST_BOT, on_guild);
        return;
    }
    if (doctor->left_out)
        tell(doctor, DBACK_LOG_WARN, "of the guilds the first %d were looked at, %zu weren't",
             GUILDS_LOOKED_AT, doctor->left_out);
    finish(doctor);
}

/* ------------------ which guilds -------------------------------------------------------------- */

static void add_guild(struct doctor *doctor, snowflake guild)
{
    for (size_t i = 0; i < doctor->count; i++)
        if (doctor->guilds[i] == guild)
            return;
    if (!guild || doctor->count == GUILDS_LOOKED_AT)
        doctor->left_out += guild != 0;
    else
        doctor->guilds[doctor->count++] = guild;
}

static void choose_guilds(struct doctor *doctor, const json_t *own)
{
    const struct options *options = &doctor->discord->options;
    size_t i;
    json_t *one;
    for (i = 0; i < options->guild_count; i++)
        add_guild(doctor, options->guilds[i].guild);
    json_array_foreach(own, i, one)
    {
        if (options->all_guilds)
            add_guild(doctor, json_snowflake(one, "id"));
    }
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
        tell(doctor, DBACK_LOG_INFO, "the bot is on %s%zu guild%s", count == LIST_PAGE ? "at least " : "",
             count, count == 1 ? "" : "s");
    choose_guilds(doctor, answer->body);
    next_guild(doctor);
}

static void check_guilds(struct doctor *doctor)
{
    char path[64];
    snprintf(path, sizeof path, "/users/@me/guilds?limit=%d", LIST_PAGE);
    ask(doctor, "/users/@me/guilds", 0, path, REST_BOT, on_own_guilds);
}

/* ------------------ the gateway --------------------------------------------------------------- */

static void on_gateway(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    json_int_t remaining = json_number(json_object_get(answer->body, "session_start_limit"), "remaining", -1);
    if (answer->problem)
        tell(doctor, DBACK_LOG_ERROR, "the gateway's address can't be had: %s", answer->problem);
    else if (remaining < 0)
        tell(doctor, DBACK_LOG_INFO, "the gateway's address is known");
    else
        tell(doctor, remaining <= BUDGET_RESERVE ? DBACK_LOG_ERROR : DBACK_LOG_INFO,
             "the gateway takes %" JSON_INTEGER_FORMAT " more sessions today%s", remaining,
             remaining <= BUDGET_RESERVE ? ": too few to begin one; does another program use the same token?"
                                         : "");
    check_guilds(doctor);
}

static void check_gateway(struct doctor *doctor)
{
    if (!uses_gateway(doctor) || doctor->discord->options.has_gateway)
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
    else if (!*configured && !id)
        tell(doctor, DBACK_LOG_ERROR,
             "this server doesn't tell the application's id: set the option client_id, or nobody can log in");
    else
        tell(doctor, DBACK_LOG_INFO, "the client id is %.32s", id ? id : configured);
}

static void check_intents(struct doctor *doctor, const json_t *application)
{
    char missing[400];
    bool told = json_is_integer(json_object_get(application, "flags"));
    application_intents(uses_gateway(doctor) ? INTENTS_PRIVILEGED : INTENT_GUILD_MEMBERS, told,
                        json_bits(application, "flags"), missing, sizeof missing);
    if (*missing)
        tell(doctor, DBACK_LOG_ERROR, "switch on in the developer portal (application > Bot): %s", missing);
    else if (told)
        tell(doctor, DBACK_LOG_INFO, "the privileged intents are switched on");
    else
        tell(doctor, DBACK_LOG_WARN, "this server doesn't tell which intents are switched on");
}

static bool takes_logins(const struct options *options)
{
    bool takes = options->all_guilds && options->common.passworded;
    for (size_t i = 0; i < options->guild_count; i++)
        takes = takes || options->guilds[i].passworded;
    return takes;
}

static void check_redirects(struct doctor *doctor, const json_t *application)
{
    const json_t *uris = json_object_get(application, "redirect_uris");
    size_t i;
    json_t *uri;
    if (!takes_logins(&doctor->discord->options))
        return;
    if (!json_is_array(uris))
        tell(doctor, DBACK_LOG_WARN,
             "Discord doesn't tell which OAuth redirects are registered; the page's own URL has to be among "
             "them (application > OAuth2 > Redirects)");
    else if (json_array_size(uris) == 0)
        tell(doctor, DBACK_LOG_ERROR,
             "no OAuth redirect is registered, so nobody can log in: add the page's URL in the developer "
             "portal (application > OAuth2 > Redirects)");
    json_array_foreach(uris, i, uri)
    {
        if (json_is_string(uri))
            tell(doctor, DBACK_LOG_INFO, "a page at %.200s may log people in", json_string_value(uri));
    }
}

static void on_application(void *arg, const struct rest_answer *answer)
{
    struct doctor *doctor = arg;
    const char *name = json_text(answer->body, "name");
    if (answer->status == 401) {
        tell(doctor, DBACK_LOG_ERROR,
             "Discord refuses the token: reset it in the developer portal (application > Bot > Reset Token) "
             "and put the new one into the token's file");
        finish(doctor);
        return;
    }
    if (answer->status == 404 && !doctor->other_address) {
        doctor->other_address = true;
        ask_application(doctor);
        return;
    }
    if (answer->problem) {
        tell(doctor, DBACK_LOG_ERROR, "the application can't be asked for: %s", answer->problem);
        if (!answer->status) { /* nor can anything else */
            finish(doctor);
            return;
        }
    } else {
        tell(doctor, DBACK_LOG_INFO, "the token is valid, the application is \"%.100s\"", name ? name : "");
        check_client_id(doctor, answer->body);
        check_intents(doctor, answer->body);
        check_redirects(doctor, answer->body);
    }
    check_gateway(doctor);
}

static void ask_application(struct doctor *doctor)
{
    const char *path = doctor->other_address ? "/oauth2/applications/@me" : "/applications/@me";
    ask(doctor, path, 0, path, REST_BOT, on_application);
}

/* ------------------ life ---------------------------------------------------------------------- */

static int32_t run(void *self, doctor_line line, doctor_done done, void *arg)
{
    struct discord *d = self;
    struct doctor *doctor = d->doctor ? NULL : calloc(1, sizeof *doctor);
    if (!doctor)
        return DBACK_FAILED;
    *doctor = (struct doctor){ .discord = d, .line = line, .done = done, .arg = arg };
    alarm_stop(&d->begin); /* a check doesn't begin a session */
    d->doctor = doctor;
    ask_application(doctor);
    return DBACK_OK;
}

const struct discord_doctor discord_doctor = { sizeof discord_doctor, run };

void doctor_free(struct doctor *doctor)
{
    free(doctor);
}
