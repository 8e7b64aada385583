/* See login.h. An attempt asks up to two things: whose token it is (unless that is remembered, or somebody is
 * asking), and whether that user is on the guild (unless the roster knows). */
#include "discord.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    TAILQ_ENTRY(attempt) link;
    struct login *login;
    dback_request request; /* 0: nobody waits any more */
    snowflake guild, claimed;
    struct token_hash hash;
    char *token;
    char peer[64];
    bool asking;              /* Discord is asked on behalf of this one */
    bool without_application; /* by /users/@me, which can't tell whose application it is */
    bool knows_user;          /* it is about the membership by now */
};

static void go_on(struct attempt *attempt);

/* ------------------ ends ---------------------------------------------------------------------- */

static void forget(struct attempt *attempt)
{
    TAILQ_REMOVE(&attempt->login->attempts, attempt, link);
    attempt->login->count--;
    explicit_bzero(attempt->token, strlen(attempt->token));
    free(attempt->token);
    free(attempt);
}

/* A failure counts also when nobody waits any more: else whoever hangs up in time could go on for ever. */
static void answer(struct attempt *attempt, int32_t result, const char *why)
{
    const dback_host *host = attempt->login->discord->host;
    if (result != DBACK_OK) {
        throttle_count(&attempt->login->throttle, dback_text(attempt->peer), clock_ms());
        say(host, DBACK_LOG_DEBUG, "login to guild %s refused: %s", snowflake_text(attempt->guild).text, why);
    } else if (attempt->request) {
        host->put_login(host, attempt->request, dback_text(snowflake_text(attempt->claimed).text));
    }
    if (attempt->request)
        host->done(host, attempt->request, result, dback_text(why));
    forget(attempt);
}

/* Discord isn't asked on behalf of somebody who fails too often; then it is answered. */
static bool is_throttled(struct attempt *attempt)
{
    bool blocked = throttle_is_blocked(&attempt->login->throttle, dback_text(attempt->peer), clock_ms());
    if (blocked)
        answer(attempt, DBACK_DENIED, "too many logins from this address have failed in the last minute");
    return blocked;
}

/* ------------------ membership ---------------------------------------------------------------- */

static void let_in(struct attempt *attempt, struct guild *guild, struct member *member)
{
    recheck_let_in(attempt->login, guild, member); /* from here on it is noticed when they leave */
    answer(attempt, DBACK_OK, "");
}

/* Is what is known of this guild's members what Discord knows? Only while events tell who leaves, and when
 * the list has been through since they began to. */
static bool is_current(const struct discord *d, const struct guild *guild)
{
    return d->gateway && gateway_is_live(d->gateway) && (d->application.intents & INTENT_GUILD_MEMBERS) &&
           guild->loaded && !guild->loading.wanted && !guild->awaited && !guild->unavailable;
}

/* NULL: Discord has to be asked. */
static struct member *known_member(const struct discord *d, const struct guild *guild, snowflake user)
{
    struct member *member = table_find(&guild->members, user);
    return member && member->name && is_current(d, guild) ? member : NULL;
}

static void on_membership(void *arg, const struct rest_answer *told)
{
    struct attempt *attempt = arg;
    struct discord *d = attempt->login->discord;
    struct guild *guild = discord_guild(d, attempt->guild);
    const json_t *user = json_object_get(told->body, "user");
    struct member *member;
    attempt->asking = false;
    if (told->problem && told->status != 404)
        answer(attempt, DBACK_FAILED, told->problem);
    else if (told->problem || !guild || json_snowflake(user, "id") != attempt->claimed)
        answer(attempt, DBACK_DENIED, "this user isn't a member of the guild");
    else if (!attempt->request) /* nobody waits any more, or the user has left meanwhile */
        forget(attempt);
    else if (!(member = discord_put_member(d, guild, told->body, user)))
        answer(attempt, DBACK_FAILED,
               "more members than are kept, so it wouldn't be noticed when this one leaves");
    else {
        roster_update(d, guild, member);
        let_in(attempt, guild, member);
    }
}

void login_member_path(snowflake guild, snowflake user, char *path, size_t size)
{
    snprintf(path, size, "/guilds/%s/members/%s", snowflake_text(guild).text, snowflake_text(user).text);
}

static void check_membership(struct attempt *attempt)
{
    struct discord *d = attempt->login->discord;
    struct guild *guild = discord_guild(d, attempt->guild);
    struct member *member = guild ? known_member(d, guild, attempt->claimed) : NULL;
    char path[96];
    if (!guild) {
        answer(attempt, DBACK_DENIED, "the bot isn't on the guild, so nobody's membership can be checked");
        return;
    }
    if (member) {
        let_in(attempt, guild, member);
        return;
    }
    if (is_throttled(attempt))
        return;
    login_member_path(attempt->guild, attempt->claimed, path, sizeof path);
    const struct rest_question question = {
        .auth = REST_BOT, .route = LOGIN_MEMBER_ROUTE, .major = attempt->guild, .path = path, .urgent = true
    };
    attempt->knows_user = attempt->asking = true;
    if (!rest_ask(d->rest, &question, on_membership, attempt))
        answer(attempt, DBACK_FAILED, "too many questions wait already");
}

/* ------------------ whose token --------------------------------------------------------------- */

static void judge_user(struct attempt *attempt, snowflake user)
{
    if (user == 0)
        answer(attempt, DBACK_DENIED, "Discord has said no to this token already");
    else if (user != attempt->claimed)
        answer(attempt, DBACK_DENIED, "the token belongs to another user than the one that was named");
    else
        check_membership(attempt);
}

/* Discord has answered for one attempt: the others with the same token get the same answer. */
static void settle_others(struct login *login, const struct token_hash *hash, int32_t result, const char *why,
                          snowflake user)
{
    struct attempt *attempt, *next;
    for (attempt = TAILQ_FIRST(&login->attempts); attempt; attempt = next) {
        next = TAILQ_NEXT(attempt, link);
        if (attempt->knows_user || attempt->asking || memcmp(&attempt->hash, hash, sizeof *hash) != 0)
            continue;
        if (result == DBACK_OK)
            judge_user(attempt, user);
        else
            answer(attempt, result, why);
    }
}

static void settle_token(struct attempt *attempt, int32_t result, const char *why, snowflake user)
{
    struct login *login = attempt->login;
    struct token_hash hash = attempt->hash;
    attempt->asking = false;
    settle_others(login, &hash, result, why, user);
}

static void on_user(void *arg, const struct rest_answer *told)
{
    struct attempt *attempt = arg;
    struct login *login = attempt->login;
    snowflake user = json_snowflake(told->body, "id");
    int64_t now = clock_s();
    if (told->status == 401 || (!told->problem && !user)) {
        verdicts_keep(&login->verdicts, &attempt->hash, now, 0, 0);
        settle_token(attempt, DBACK_DENIED, "Discord doesn't know this token", 0);
    } else if (told->problem) {
        settle_token(attempt, DBACK_FAILED, told->problem, 0);
    } else {
        verdicts_keep(&login->verdicts, &attempt->hash, now, user, now + VERDICT_NO_S);
        settle_token(attempt, DBACK_OK, "", user);
    }
}

static void on_authorization(void *arg, const struct rest_answer *told)
{
    struct attempt *attempt = arg;
    struct login *login = attempt->login;
    struct discord *d = login->discord;
    int64_t now = clock_s(), expires = 0;
    const char *why;
    if (told->status == 404 && d->options.unchecked_application) {
        attempt->asking = false;
        attempt->without_application = true;
        go_on(attempt);
    } else if (told->status == 401) {
        verdicts_keep(&login->verdicts, &attempt->hash, now, 0, 0);
        settle_token(attempt, DBACK_DENIED, "Discord doesn't know this token", 0);
    } else if (told->problem) {
        settle_token(attempt, DBACK_FAILED, told->problem, 0);
    } else {
        snowflake user = claim_judge(told->body, d->application.client_id, now, &expires, &why);
        verdicts_keep(&login->verdicts, &attempt->hash, now, user, expires);
        settle_token(attempt, user ? DBACK_OK : DBACK_DENIED, why ? why : "", user);
    }
}

static void ask_whose_token(struct attempt *attempt)
{
    const struct rest_question question = {
        .auth = REST_USER,
        .token = attempt->token,
        .route = attempt->without_application ? "/users/@me" : "/oauth2/@me",
        .path = attempt->without_application ? "/users/@me" : "/oauth2/@me",
        .urgent = true,
    };
    attempt->asking = true;
    if (!rest_ask(attempt->login->discord->rest, &question,
                  attempt->without_application ? on_user : on_authorization, attempt))
        settle_token(attempt, DBACK_FAILED, "too many questions wait already", 0);
}

static bool somebody_asks(const struct attempt *attempt)
{
    const struct attempt *other;
    TAILQ_FOREACH(other, &attempt->login->attempts, link)
    {
        if (other != attempt && other->asking && !other->knows_user &&
            memcmp(&other->hash, &attempt->hash, sizeof other->hash) == 0)
            return true;
    }
    return false;
}

static void go_on(struct attempt *attempt)
{
    struct login *login = attempt->login;
    snowflake user;
    if (verdicts_find(&login->verdicts, &attempt->hash, clock_s(), &user))
        judge_user(attempt, user);
    else if (!is_throttled(attempt) && !somebody_asks(attempt))
        ask_whose_token(attempt);
}

/* ------------------ beginnings ---------------------------------------------------------------- */

/* A sentence when there's no need to ask. */
static const char *objection(const struct guild_options *options, const dback_login *claim)
{
    if (!options->passworded)
        return "this server takes its password, not a Discord login";
    if (!claim->token.len)
        return "this server takes a Discord login, not a password";
    return claim_token_is_sane(claim->token) ? NULL : "that can't be a token";
}

/* One when we can't, which isn't the viewer's fault. */
static const char *excuse(const struct login *login)
{
    if (!login->discord->application.client_id[0])
        return "our own application isn't known yet";
    if (!login->discord->listed)
        return "which guilds there are isn't known yet";
    return login->count >= LOGINS_MAX ? "too many logins at a time" : NULL;
}

static struct attempt *begin(struct login *login, dback_request request, snowflake guild,
                             const dback_login *claim)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (!attempt || !(attempt->token = strndup(claim->token.ptr, claim->token.len))) {
        free(attempt);
        return NULL;
    }
    attempt->login = login;
    attempt->request = request;
    attempt->guild = guild;
    attempt->claimed = claim_user(claim->user_json);
    attempt->hash = token_hash_of(claim->token);
    snprintf(attempt->peer, sizeof attempt->peer, "%.*s", (int)(claim->peer.len < 64 ? claim->peer.len : 63),
             claim->peer.ptr ? claim->peer.ptr : "");
    TAILQ_INSERT_TAIL(&login->attempts, attempt, link);
    login->count++;
    return attempt;
}

void login_check(struct login *login, dback_request request, const dback_login *claim)
{
    const dback_host *host = login->discord->host;
    snowflake guild = 0;
    const struct guild_options *options =
        snowflake_parse(claim->server.ptr ? claim->server.ptr : "", claim->server.len, &guild)
            ? options_of_guild(&login->discord->options, guild)
            : NULL;
    if (!options) {
        host->done(host, request, DBACK_PASS, dback_text(""));
        return;
    }
    const char *wrong = objection(options, claim), *why = wrong ? wrong : excuse(login);
    if (wrong)
        throttle_count(&login->throttle, claim->peer, clock_ms());
    if (why) {
        say(host, DBACK_LOG_DEBUG, "login to guild %s refused: %s", snowflake_text(guild).text, why);
        host->done(host, request, wrong ? DBACK_DENIED : DBACK_FAILED, dback_text(why));
        return;
    }
    struct attempt *attempt = begin(login, request, guild, claim);
    if (!attempt)
        host->done(host, request, DBACK_FAILED, dback_text("out of memory"));
    else if (!attempt->claimed)
        answer(attempt, DBACK_DENIED, "no Discord user was named");
    else
        go_on(attempt);
}

void login_cancel(struct login *login, dback_request request)
{
    struct attempt *attempt;
    TAILQ_FOREACH(attempt, &login->attempts, link)
    {
        if (attempt->request == request)
            attempt->request = 0;
    }
}

static void turn_away(struct login *login, snowflake guild, snowflake user)
{
    const dback_host *host = login->discord->host;
    struct attempt *attempt;
    TAILQ_FOREACH(attempt, &login->attempts, link)
    {
        if (!attempt->request || attempt->guild != guild || (user && attempt->claimed != user))
            continue;
        host->done(host, attempt->request, DBACK_DENIED, dback_text("this user has left the guild"));
        attempt->request = 0;
    }
}

/* Both are told of everybody: an instance before this one may have let them in. */
void login_member_left(struct login *login, const struct guild *guild, snowflake user)
{
    if (!guild->options->passworded || !user)
        return;
    verdicts_forget(&login->verdicts, user);
    turn_away(login, guild->id, user);
    outbox_login_ended(&login->discord->outbox, guild->id, user);
}

void login_guild_left(struct login *login, const struct guild *guild)
{
    const struct member *member;
    if (!guild->options->passworded)
        return;
    turn_away(login, guild->id, 0);
    for (size_t at = 0; (member = table_next(&guild->members, &at));)
        outbox_login_ended(&login->discord->outbox, guild->id, member->id);
}

void login_application_changed(struct login *login)
{
    verdicts_forget_all(&login->verdicts);
}

bool login_init(struct login *login, struct discord *discord)
{
    *login = (struct login){ .discord = discord };
    TAILQ_INIT(&login->attempts);
    recheck_init(login);
    return verdicts_init(&login->verdicts) && throttle_init(&login->throttle);
}

void login_finish(struct login *login)
{
    if (!login->discord)
        return;
    recheck_finish(login);
    while (!TAILQ_EMPTY(&login->attempts))
        forget(TAILQ_FIRST(&login->attempts));
    verdicts_finish(&login->verdicts);
    throttle_finish(&login->throttle);
}
