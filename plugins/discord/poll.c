/* Mode "rest": without the gateway the guilds and their members are asked for again and again, those that
 * somebody watches every poll_interval. See polling.h. */
#include "polling.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 1000
#define LIST_MS 300000
#define PAGE 200

static void list_next(struct poll *poll);

/* ------------------ which guilds there are ---------------------------------------------------- */

static void clear(struct table *table)
{
    struct entry *entry;
    for (size_t at = 0; (entry = table_next(table, &at));)
        free(entry);
    table_finish(table);
}

static bool note(struct table *table, snowflake id)
{
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return false;
    entry->id = id;
    bool added = table_add(table, entry);
    if (!added)
        free(entry);
    return added;
}

static void end_listing(struct poll *poll)
{
    struct discord *d = poll->discord;
    const struct guild *guild;
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));) {
        if (!table_find(&poll->found, guild->id)) {
            discord_remove_guild(d, guild->id);
            at = 0;
        }
    }
    poll->listing = false;
    poll->listed_ms = clock_ms();
    d->failing = false;
    d->listed = true;
    health_well(&d->health, HEALTH_REST);
    discord_check_guilds(d);
    answers_settle(d);
}

static void on_page(void *arg, const struct rest_answer *answer)
{
    struct poll *poll = arg;
    struct discord *d = poll->discord;
    size_t i, count = json_array_size(answer->body);
    json_t *one;
    if (poll->ended)
        return;
    if (answer->problem || !json_is_array(answer->body)) {
        poll->listing = false;
        poll->listed_ms = clock_ms() - LIST_MS + 10000; /* soon again */
        d->failing = true;
        if (answer->status != 401)
            health_problem(&d->health, HEALTH_REST, "%s",
                           answer->problem ? answer->problem : "Discord's list of guilds isn't one");
        answers_settle(d);
        return;
    }
    snowflake before = poll->after;
    json_array_foreach(answer->body, i, one)
    {
        snowflake id = json_snowflake(one, "id");
        struct guild *guild = discord_add_guild(d, id);
        poll->after = id > poll->after ? id : poll->after;
        if (guild && note(&poll->found, id) && guild_set_name(guild, one))
            d->list_changed = true;
    }
    if (count < PAGE || poll->after == before)
        end_listing(poll);
    else
        list_next(poll);
}

static void list_next(struct poll *poll)
{
    char path[96];
    snprintf(path, sizeof path, "/users/@me/guilds?limit=%d&after=%s", PAGE,
             snowflake_text(poll->after).text);
    const struct rest_question question = { .auth = REST_BOT, .route = "/users/@me/guilds", .path = path };
    poll->listing = rest_ask(poll->discord->rest, &question, on_page, poll);
}

static void list(struct poll *poll)
{
    clear(&poll->found);
    poll->after = 0;
    list_next(poll);
}

/* ------------------ when ---------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    struct poll *poll = arg;
    struct discord *d = poll->discord;
    const struct entry *entry;
    uint64_t now = clock_ms();
    if (!poll->listing && now - poll->listed_ms >= LIST_MS)
        list(poll);
    for (size_t at = 0; (entry = table_next(&poll->watched, &at));) {
        struct guild *guild = discord_guild(d, entry->id);
        if (guild && guild->loaded && guild->refused_until_ms <= now &&
            now - guild->polled_ms >= (uint64_t)d->options.poll_s * 1000)
            poll_visit(poll, guild);
    }
}

void poll_forget_refusals(struct poll *poll)
{
    struct guild *guild;
    for (size_t at = 0; (guild = table_next(&poll->discord->guilds, &at));)
        guild->refused_until_ms = 0;
}

void poll_begin(struct poll *poll)
{
    if (!alarm_is_set(&poll->tick))
        alarm_set(&poll->tick, TICK_MS, TICK_MS);
    if (!poll->listing)
        list(poll);
}

/* Nobody has watched for a while: what is known is old. */
static bool is_old(const struct poll *poll, const struct guild *guild)
{
    return clock_ms() - guild->polled_ms >= 2 * (uint64_t)poll->discord->options.poll_s * 1000;
}

void poll_want(struct poll *poll, struct guild *guild)
{
    if (guild->refused_until_ms > clock_ms() || (guild->loaded && !is_old(poll, guild)))
        return;
    guild->refreshing = true;
    poll_visit(poll, guild);
}

void poll_watched(struct poll *poll, snowflake guild, bool watched)
{
    if (watched)
        note(&poll->watched, guild);
    else
        free(table_remove(&poll->watched, guild));
}

/* ------------------ life ---------------------------------------------------------------------- */

struct poll *poll_create(struct discord *d)
{
    struct poll *poll = calloc(1, sizeof *poll);
    if (!poll)
        return NULL;
    poll->discord = d;
    alarm_init(&poll->tick, &d->alarms, on_tick, poll);
    TAILQ_INIT(&poll->visits);
    table_init(&poll->watched, GUILDS_MAX);
    table_init(&poll->found, GUILDS_MAX);
    return poll;
}

void poll_end(struct poll *poll)
{
    poll->ended = true;
    alarm_stop(&poll->tick);
}

void poll_destroy(struct poll *poll)
{
    if (!poll)
        return;
    while (!TAILQ_EMPTY(&poll->visits))
        poll_visit_free(TAILQ_FIRST(&poll->visits));
    clear(&poll->watched);
    clear(&poll->found);
    free(poll);
}
