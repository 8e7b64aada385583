/* OAuth logins to passworded guilds: whose token is it, was it made for us, and is that user on the guild?
 *
 * Everything fails closed: what can't be found out is a no. For one token Discord is asked once at a time,
 * however many wait for it; tokens of strangers are looked at before they go into a request; who fails often
 * is not asked for.
 */
#ifndef DBACK_DISCORD_LOGIN_H
#define DBACK_DISCORD_LOGIN_H

#include "alarm.h"
#include "throttle.h"
#include "verdicts.h"

#include <sys/queue.h>

#define LOGINS_MAX 1024 /* that wait at a time */

struct discord;
struct attempt;
struct guild;
struct member;
struct recheck;

struct login {
    struct discord *discord;
    struct verdicts verdicts;
    struct throttle throttle;
    TAILQ_HEAD(, attempt) attempts;
    size_t count;
    TAILQ_HEAD(, recheck) rechecks;
    struct alarm recheck;
};

bool login_init(struct login *login, struct discord *discord);
void login_finish(struct login *login);
/* validate() of the vtable. */
void login_check(struct login *login, dback_request request, const dback_login *claim);
/* Nobody waits for it any more. What Discord says is remembered all the same. */
void login_cancel(struct login *login, dback_request request);

/* This user isn't a member of the guild any more, or the bot isn't: whoever waits to get in by that doesn't,
 * whoever got in is shown nothing more. */
void login_member_left(struct login *login, const struct guild *guild, snowflake user);
void login_guild_left(struct login *login, const struct guild *guild);

/* Our application is another one: no token that was made for the one before opens anything. */
void login_application_changed(struct login *login);

/* Where Discord says whether a user is a member, and the route that its limits go by. */
#define LOGIN_MEMBER_ROUTE "/guilds/ID/members/ID"
void login_member_path(snowflake guild, snowflake user, char *path, size_t size);

/* ---- recheck.c: members whom nobody sees leave ---- */

void recheck_init(struct login *login);
void recheck_let_in(struct login *login, struct guild *guild, struct member *member);
void recheck_end(struct login *login);
void recheck_finish(struct login *login);

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
