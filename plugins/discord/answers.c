/* d-back's questions: answered from what is known, at once or when it is. See discord.h.
 *
 * While Discord can't be reached and nothing is known yet, they are answered with the reason, so that d-back
 * goes on to the next provider, or asks again. What was known once is still the answer during an outage.
 */
#include "discord.h"

#include "short_id.h"

#include <stdlib.h>
#include <string.h>

static void finish(const struct discord *d, const struct question *question, int32_t result, const char *why)
{
    d->host->done(d->host, question->request, result, dback_text(why));
}

static const char *reason(const struct discord *d)
{
    const char *why = health_why(&d->health);
    return why ? why : "Discord isn't connected yet";
}

/* ------------------ servers ------------------------------------------------------------------- */

static bool is_listable(const struct guild *guild)
{
    return guild_shown_name(guild) != NULL;
}

static size_t collect(const struct discord *d, struct short_id *ids)
{
    struct guild *guild;
    size_t count = 0;
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));)
        if (is_listable(guild))
            ids[count++] = (struct short_id){ .guild = guild->id,
                                              .name = guild_shown_name(guild),
                                              .fixed = guild->options->id };
    short_ids_assign(ids, count);
    return count;
}

static int32_t put(const struct discord *d, dback_request request, const struct short_id *id)
{
    const struct guild_options *options = discord_guild(d, id->guild)->options;
    const struct snowflake_text number = snowflake_text(id->guild);
    dback_server row = DBACK_SERVER_INIT;
    row.discord_id = dback_text(number.text);
    row.id = dback_text(id->id);
    row.name = dback_text(id->name);
    row.password = dback_text(options->password);
    if (options->is_default)
        row.flags |= DBACK_SERVER_DEFAULT;
    if (options->passworded)
        row.flags |= DBACK_SERVER_PASSWORDED;
    return d->host->put_server(d->host, request, &row);
}

static size_t place_of(const struct discord *d, snowflake guild)
{
    size_t i = 0;
    while (i < d->options.guild_count && d->options.guilds[i].guild != guild)
        i++;
    return i;
}

/* In the configured order, the others after them: that is the order in which people see them. */
static int32_t put_all(const struct discord *d, dback_request request, const struct short_id *ids,
                       size_t count)
{
    int32_t result = DBACK_OK;
    for (size_t place = 0; place <= d->options.guild_count; place++)
        for (size_t i = 0; i < count && result != DBACK_LATE && result != DBACK_LIMIT; i++)
            if (place_of(d, ids[i].guild) == place)
                result = put(d, request, &ids[i]);
    return result;
}

static void answer_servers(struct discord *d, const struct question *question)
{
    struct short_id *ids = calloc(d->guilds.count + 1, sizeof *ids);
    if (!ids) {
        finish(d, question, DBACK_FAILED, "out of memory");
        return;
    }
    int32_t result = put_all(d, question->request, ids, collect(d, ids));
    free(ids);
    d->list_changed = d->refused_list = false;
    if (result == DBACK_LIMIT)
        finish(d, question, DBACK_FAILED,
               "more guilds than d-back takes: name those you want in the option guilds, or raise "
               "limits.servers");
    else
        finish(d, question, DBACK_OK, "");
}

/* ------------------ one question -------------------------------------------------------------- */

/* Each answers whether the question is settled. */

static bool settle_servers(struct discord *d, const struct question *question)
{
    if (d->listed) {
        answer_servers(d, question);
    } else if (d->failing) {
        d->refused_list = true;
        finish(d, question, DBACK_FAILED, reason(d));
    } else {
        return false;
    }
    return true;
}

static bool settle_users(struct discord *d, const struct question *question)
{
    struct guild *guild = discord_guild(d, question->guild);
    if (guild && guild->loaded && !guild->refreshing) {
        if (roster_answer(d, guild, question->request))
            finish(d, question, DBACK_OK, "");
    } else if (!guild && (d->listed || !options_of_guild(&d->options, question->guild))) {
        finish(d, question, DBACK_PASS, "");
    } else if (guild && d->listed && guild->unavailable) {
        finish(d, question, DBACK_FAILED, "Discord says that this guild is unavailable just now");
    } else if (guild && guild->refused_until_ms > clock_ms()) {
        finish(d, question, DBACK_FAILED,
               "Discord doesn't let the bot list this guild's members: is the bot on it, and is \"Server "
               "Members "
               "Intent\" on in the developer portal?");
    } else if (d->failing) {
        finish(d, question, DBACK_FAILED, reason(d));
    } else {
        return false;
    }
    return true;
}

static bool settle_client_id(struct discord *d, const struct question *question)
{
    if (!options_of_guild(&d->options, question->guild)) {
        finish(d, question, DBACK_PASS, "");
    } else if (d->application.client_id[0]) {
        d->host->put_client_id(d->host, question->request, dback_text(d->application.client_id));
        finish(d, question, DBACK_OK, "");
    } else if (!d->application.asking) {
        d->refused_client_id = true;
        finish(d, question, DBACK_FAILED,
               "Discord hasn't told the application's id; the option client_id can");
    } else {
        return false;
    }
    return true;
}

static bool settle(struct discord *d, const struct question *question)
{
    static bool (*const kinds[])(struct discord *, const struct question *) = {
        [ASKS_SERVERS] = settle_servers, [ASKS_USERS] = settle_users, [ASKS_CLIENT_ID] = settle_client_id
    };
    return kinds[question->kind](d, question);
}

/* ------------------ all of them --------------------------------------------------------------- */

void answers_ask(struct discord *d, const struct question *question)
{
    if (settle(d, question))
        return;
    struct question *larger = d->question_count < QUESTIONS_MAX
                                  ? realloc(d->questions, (d->question_count + 1) * sizeof *larger)
                                  : NULL;
    if (!larger) {
        finish(d, question, DBACK_FAILED, "too many questions wait already");
        return;
    }
    d->questions = larger;
    d->questions[d->question_count++] = *question;
}

void answers_cancel(struct discord *d, dback_request request)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->question_count; i++)
        if (d->questions[i].request != request)
            d->questions[kept++] = d->questions[i];
    d->question_count = kept;
}

void answers_settle(struct discord *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->question_count; i++)
        if (!settle(d, &d->questions[i]))
            d->questions[kept++] = d->questions[i];
    d->question_count = kept;
    if (d->listed && (d->list_changed || d->refused_list)) {
        d->list_changed = d->refused_list = false;
        outbox_servers_changed(&d->outbox);
    }
}
