/* One guild, asked for over REST. See polling.h. */
#include "polling.h"

#include "widget.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE 1000
#define PAGES_MAX (MEMBERS_MAX / PAGE)
#define REFUSED_MS 600000 /* what Discord has said no to isn't asked for again before */

static void ask_members(struct visit *visit);

/* NULL: it is gone, and so is the visit. */
static struct guild *guild_of(struct visit *visit)
{
    struct guild *guild = discord_guild(visit->poll->discord, visit->guild);
    if (guild && !visit->poll->ended)
        return guild;
    poll_visit_free(visit);
    return NULL;
}

static void ask(struct visit *visit, const char *route, const char *path, enum rest_auth auth,
                rest_callback done)
{
    const struct rest_question question = {
        .auth = auth, .route = route, .major = visit->guild, .path = path
    };
    if (rest_ask(visit->poll->discord->rest, &question, done, visit))
        return;
    struct guild *guild = discord_guild(visit->poll->discord, visit->guild);
    if (guild)
        guild->refreshing = false;
    poll_visit_free(visit);
}

/* ------------------ failures ------------------------------------------------------------------ */

static void fail(struct visit *visit, struct guild *guild, const struct rest_answer *answer)
{
    struct discord *d = visit->poll->discord;
    guild->polled_ms = clock_ms();
    guild->refreshing = false;
    if (answer->status == 403 || answer->status == 404) {
        guild->refused_until_ms = clock_ms() + REFUSED_MS;
        health_problem(
            &d->health, HEALTH_REFUSED,
            "%s; is the bot on guild %s, and is \"Server Members Intent\" on in the developer portal "
            "(application > Bot)?",
            answer->problem, snowflake_text(guild->id).text);
    } else if (answer->status != 401) {
        d->failing = true;
        health_problem(&d->health, HEALTH_REST, "%s",
                       answer->problem ? answer->problem : "Discord's answer isn't what it should be");
    }
    poll_visit_free(visit);
    answers_settle(d);
}

/* ------------------ the three questions ------------------------------------------------------- */

static bool is_any_refused(const struct discord *d)
{
    const struct guild *guild;
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));)
        if (guild->refused_until_ms)
            return true;
    return false;
}

static void finish(struct visit *visit, struct guild *guild)
{
    struct discord *d = visit->poll->discord;
    guild->polled_ms = clock_ms();
    guild->refreshing = false;
    guild->refused_until_ms = 0;
    d->failing = false;
    health_well(&d->health, HEALTH_REST);
    if (!is_any_refused(d))
        health_well(&d->health, HEALTH_REFUSED);
    poll_visit_free(visit);
    loader_complete(d, guild);
    roster_update_all(d, guild);
}

static void on_widget(void *arg, const struct rest_answer *answer)
{
    struct visit *visit = arg;
    struct guild *guild = guild_of(visit);
    if (!guild)
        return;
    /* Switched off is an answer; a failure leaves the statuses as they were. */
    if (!answer->problem)
        widget_apply(guild, answer->body);
    else if (answer->status == 403 || answer->status == 404)
        widget_apply(guild, NULL);
    finish(visit, guild);
}

static void ask_widget(struct visit *visit)
{
    char path[64];
    snprintf(path, sizeof path, "/guilds/%s/widget.json", snowflake_text(visit->guild).text);
    ask(visit, "/guilds/ID/widget.json", path, REST_OPEN, on_widget);
}

static void on_members(void *arg, const struct rest_answer *answer)
{
    struct visit *visit = arg;
    struct guild *guild = guild_of(visit);
    size_t i, count = json_array_size(answer->body);
    snowflake before = visit->after;
    json_t *one;
    if (!guild)
        return;
    if (answer->problem || !json_is_array(answer->body)) {
        fail(visit, guild, answer);
        return;
    }
    json_array_foreach(answer->body, i, one)
    {
        const json_t *user = json_object_get(one, "user");
        snowflake id = json_snowflake(user, "id");
        discord_put_member(visit->poll->discord, guild, one, user);
        visit->after = id > visit->after ? id : visit->after;
    }
    if (count < PAGE || visit->after == before || ++visit->pages >= PAGES_MAX)
        ask_widget(visit);
    else
        ask_members(visit);
}

static void ask_members(struct visit *visit)
{
    char path[128];
    snprintf(path, sizeof path, "/guilds/%s/members?limit=%d&after=%s", snowflake_text(visit->guild).text,
             PAGE, snowflake_text(visit->after).text);
    ask(visit, "/guilds/ID/members", path, REST_BOT, on_members);
}

static void on_guild(void *arg, const struct rest_answer *answer)
{
    struct visit *visit = arg;
    struct discord *d = visit->poll->discord;
    struct guild *guild = guild_of(visit);
    if (!guild)
        return;
    if (answer->problem || !json_is_object(answer->body)) {
        fail(visit, guild, answer);
        return;
    }
    if (guild_set_name(guild, answer->body))
        d->list_changed = true;
    guild_set_roles(guild, json_object_get(answer->body, "roles"));
    guild->sweep++;
    ask_members(visit);
}

/* ------------------ life ---------------------------------------------------------------------- */

void poll_visit(struct poll *poll, struct guild *guild)
{
    char path[64];
    struct visit *visit;
    TAILQ_FOREACH(visit, &poll->visits, link)
    {
        if (visit->guild == guild->id)
            return;
    }
    visit = calloc(1, sizeof *visit);
    if (!visit) {
        guild->refreshing = false;
        return;
    }
    visit->poll = poll;
    visit->guild = guild->id;
    TAILQ_INSERT_TAIL(&poll->visits, visit, link);
    snprintf(path, sizeof path, "/guilds/%s", snowflake_text(guild->id).text);
    ask(visit, "/guilds/ID", path, REST_BOT, on_guild);
}

void poll_visit_free(struct visit *visit)
{
    TAILQ_REMOVE(&visit->poll->visits, visit, link);
    free(visit);
}
