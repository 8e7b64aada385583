/* Members whom nobody sees leave. See login.h.
 *
 * Without the server members intent the gateway doesn't tell who leaves, nor does Discord list the members.
 * Whether somebody is a member can be asked without it, so those who were let in are asked for again and
 * again, first whoever wasn't for the longest time.
 */
#include "discord.h"

#include <stdlib.h>

#define TICK_MS 5000
#define AT_A_TIME 8
#define CERTAIN_S 20

/* A question that is under way: guild and member may go meanwhile. */
struct recheck {
    TAILQ_ENTRY(recheck) link;
    struct login *login;
    snowflake guild, user;
};

static uint32_t now_s(void)
{
    return (uint32_t)(clock_ms() / 1000) + 1;
}

static void drop(struct recheck *recheck)
{
    TAILQ_REMOVE(&recheck->login->rechecks, recheck, link);
    free(recheck);
}

static void on_answer(void *arg, const struct rest_answer *told)
{
    struct recheck *recheck = arg;
    struct discord *d = recheck->login->discord;
    struct guild *guild = discord_guild(d, recheck->guild);
    struct member *member = guild ? table_find(&guild->members, recheck->user) : NULL;
    drop(recheck);
    if (member && told->status == 404)
        roster_remove(d, guild, member);
}

static bool ask(struct login *login, const struct guild *guild, struct member *member)
{
    struct recheck *recheck = calloc(1, sizeof *recheck);
    char path[96];
    if (!recheck)
        return false;
    *recheck = (struct recheck){ .login = login, .guild = guild->id, .user = member->id };
    TAILQ_INSERT_TAIL(&login->rechecks, recheck, link);
    member->certain_s = now_s();
    login_member_path(guild->id, member->id, path, sizeof path);
    const struct rest_question question = {
        .auth = REST_BOT, .route = LOGIN_MEMBER_ROUTE, .major = guild->id, .path = path
    };
    if (rest_ask(login->discord->rest, &question, on_answer, recheck))
        return true;
    drop(recheck);
    return false;
}

/* Is it noticed in another way who leaves it? */
static bool is_told(const struct discord *d, const struct guild *guild)
{
    return d->gateway ? (d->application.intents & INTENT_GUILD_MEMBERS) != 0 : !guild->refused_until_ms;
}

static bool ask_next(struct login *login)
{
    const struct discord *d = login->discord;
    struct guild *guild, *of = NULL;
    struct member *member, *oldest = NULL;
    for (size_t i = 0; (guild = table_next(&d->guilds, &i));) {
        bool wanted = guild->watched && !is_told(d, guild);
        for (size_t j = 0; wanted && (member = table_next(&guild->members, &j));) {
            if (!member->certain_s || (oldest && member->certain_s >= oldest->certain_s))
                continue;
            oldest = member;
            of = guild;
        }
    }
    return oldest && now_s() - oldest->certain_s >= CERTAIN_S && ask(login, of, oldest);
}

static void on_tick(void *arg)
{
    struct login *login = arg;
    if (!TAILQ_EMPTY(&login->rechecks)) /* those before are still under way */
        return;
    for (int i = 0; i < AT_A_TIME; i++)
        if (!ask_next(login))
            return;
}

void recheck_init(struct login *login)
{
    TAILQ_INIT(&login->rechecks);
    alarm_init(&login->recheck, &login->discord->alarms, on_tick, login);
}

void recheck_let_in(struct login *login, struct guild *guild, struct member *member)
{
    guild->watched = true; /* soon */
    member->certain_s = now_s();
    if (!alarm_is_set(&login->recheck) && !login->discord->ended)
        alarm_set(&login->recheck, TICK_MS, TICK_MS);
}

void recheck_end(struct login *login)
{
    alarm_stop(&login->recheck);
}

void recheck_finish(struct login *login)
{
    recheck_end(login);
    while (!TAILQ_EMPTY(&login->rechecks))
        drop(TAILQ_FIRST(&login->rechecks));
}
