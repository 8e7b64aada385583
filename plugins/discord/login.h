/* OAuth logins to passworded guilds: whose token is it, was it made for us, and is that user on the guild?
 *
 * Everything fails closed: what can't be found out is a no. For one token Discord is asked once at a time,
 * however many wait for it; tokens of strangers are looked at before they go into a request; who fails often
 * is not asked for.
 */
#ifndef DBACK_DISCORD_LOGIN_H
#define DBACK_DISCORD_LOGIN_H

#include "throttle.h"
#include "verdicts.h"

#include <sys/queue.h>

#define LOGINS_MAX 1024 /* that wait at a time */

struct discord;
struct attempt;

struct login {
    struct discord *discord;
    struct verdicts verdicts;
    struct throttle throttle;
    TAILQ_HEAD(, attempt) attempts;
    size_t count;
};

bool login_init(struct login *login, struct discord *discord);
void login_finish(struct login *login);
/* validate() of the vtable. */
void login_check(struct login *login, dback_request request, const dback_login *claim);
/* Nobody waits for it any more. What Discord says is remembered all the same. */
void login_cancel(struct login *login, dback_request request);

/* This user has left the guild, or the guild has left us: whoever waits to get in as one of its members
 * doesn't. */
void login_member_left(struct login *login, snowflake guild, snowflake user);
void login_guild_left(struct login *login, snowflake guild);

/* ---- claim.c: what can be said of a claim without asking anybody. Pure. ---- */

/* Could it be a token at all? 1 to 256 characters that may stand in a header. */
bool claim_token_is_sane(dback_str token);
/* The user's id out of the JSON that the viewer sent; 0: there is none. */
snowflake claim_user(dback_str user_json);

/* What GET /oauth2/@me says. The user's id when everything is right, and when the token expires; else 0, and
 * the sentence why. `client_id`: our application. */
snowflake claim_judge(const json_t *answer, const char *client_id, int64_t now, int64_t *expires_s,
                      const char **why);

#endif
