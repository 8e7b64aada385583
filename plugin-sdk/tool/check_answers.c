/* Checks of the five questions, asked as d-back asks them. */
#include "checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN 20

/* How an answer that isn't a plain yes reads. */
static const char *result_word(int32_t result)
{
    return result == DBACK_OK       ? "ok"
           : result == DBACK_PASS   ? "passed on"
           : result == DBACK_DENIED ? "denied"
                                    : "failed";
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Says which of `count` texts is there twice. Sorts them. */
static void expect_unique(struct trial *trial, enum clause clause, const char *what, char **texts,
                          size_t count)
{
    qsort(texts, count, sizeof *texts, compare_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(texts[i - 1], texts[i]) == 0)
            trial_fail(trial, clause, "%s: %s", what, texts[i]);
}

/* ------------------ servers ------------------------------------------------------------------- */

static void judge_servers(struct trial *trial, const struct check_answer *answer)
{
    unsigned defaults = 0;
    char **texts = calloc(answer->server_count + 1, sizeof *texts);
    for (size_t i = 0; texts && i < answer->server_count; i++) {
        const struct check_server *s = &answer->servers[i];
        texts[i] = s->discord_id;
        defaults += (s->flags & DBACK_SERVER_DEFAULT) != 0;
        bool closed = *s->password || (s->flags & DBACK_SERVER_PASSWORDED);
        if (i < SHOWN)
            trial_note(trial, "%s %s \"%s\"%s%s", s->discord_id, s->id, s->name,
                       (s->flags & DBACK_SERVER_DEFAULT) ? " default" : "", closed ? " passworded" : "");
    }
    expect_unique(trial, CLAUSE_UNIQUE_SERVERS, "two servers have the same discord_id", texts,
                  answer->server_count);
    for (size_t i = 0; i < answer->server_count; i++)
        texts[i] = answer->servers[i].id;
    expect_unique(trial, CLAUSE_UNIQUE_SERVERS, "two servers have the same id", texts, answer->server_count);
    if (defaults > 1)
        trial_fail(trial, CLAUSE_DEFAULT, "%u servers say that they are the default", defaults);
    free(texts);
}

static void servers(struct life *life)
{
    struct trial *trial = life->subject->trial;
    double begun = subject_clock_ms();
    struct check_answer *answer = life_answer(life, &(struct question){ .what = MEMBER_SERVERS });
    double ms = subject_clock_ms() - begun;
    if (answer && answer->result == DBACK_OK) {
        judge_servers(trial, answer);
        trial_sum_up(trial, "%zu server%s, %.1f ms", answer->server_count,
                     answer->server_count == 1 ? "" : "s", ms);
    } else if (answer && answer->result < 0) {
        trial_fail(trial, CLAUSE_RESULT, "servers() failed: %s", answer->why);
    } else if (answer) {
        trial_sum_up(trial, "%s", result_word(answer->result));
    }
    check_answer_free(answer);
}

void check_servers(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, servers);
}

/* ------------------ users --------------------------------------------------------------------- */

static void judge_users(struct trial *trial, const char *server, const struct check_answer *answer)
{
    static const char *const statuses[] = { "unknown", "online", "idle", "dnd", "offline" };
    char **texts = calloc(answer->user_count + 1, sizeof *texts);
    for (size_t i = 0; texts && i < answer->user_count; i++) {
        const struct check_user *u = &answer->users[i];
        texts[i] = u->uid;
        if (i < SHOWN)
            trial_note(trial, "%s: %s \"%s\" %s %s", server, u->uid, u->username, statuses[u->status],
                       u->role_color);
    }
    expect_unique(trial, CLAUSE_UNIQUE_USERS, "two users have the same uid", texts, answer->user_count);
    free(texts);
}

/* Asks `what` of each server that it knows. */
static void ask_each(struct life *life, enum member what,
                     void (*judge)(struct trial *trial, const char *server,
                                   const struct check_answer *answer))
{
    struct trial *trial = life->subject->trial;
    struct known known;
    double slowest = 0;
    subject_learn(life, &known);
    if (known.count == 0)
        trial_skip(trial, "it lists no servers; name some to ask about with --server");
    for (size_t i = 0; i < known.count; i++) {
        double begun = subject_clock_ms();
        struct check_answer *answer = life_answer(
            life, &(struct question){ .what = what, .server = bytes_of(known.servers[i].discord_id) });
        double ms = subject_clock_ms() - begun;
        slowest = ms > slowest ? ms : slowest;
        if (answer && answer->result == DBACK_OK)
            judge(trial, known.servers[i].id, answer);
        else if (answer && answer->result < 0)
            trial_fail(trial, CLAUSE_RESULT, "%s() of %s failed: %s", member_names[what], known.servers[i].id,
                       answer->why);
        else if (answer)
            trial_note(trial, "%s: %s", known.servers[i].id, result_word(answer->result));
        check_answer_free(answer);
    }
    if (known.count)
        trial_sum_up(trial, "%zu server%s asked about, at most %.1f ms", known.count,
                     known.count == 1 ? "" : "s", slowest);
    known_finish(&known);
}

static void users(struct life *life)
{
    ask_each(life, MEMBER_USERS, judge_users);
}

void check_users(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, users);
}

static void judge_client_id(struct trial *trial, const char *server, const struct check_answer *answer)
{
    trial_note(trial, "%s: %s", server, answer->client_id ? answer->client_id : "(none)");
}

static void client_id(struct life *life)
{
    ask_each(life, MEMBER_CLIENT_ID, judge_client_id);
}

void check_client_id(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, client_id);
}

/* ------------------ validate ------------------------------------------------------------------ */

#define MADE_UP_TOKEN "a-token-that-d-backctl-made-up"

/* Logins that mustn't be let in: nothing at all, and what anybody could make up. */
static const struct {
    const char *what, *token, *user_json, *password;
    bool certain; /* there can't be a reason to let it in */
} bad_logins[] = {
    { "a login without anything", NULL, NULL, NULL, true },
    { "an empty user without a token", NULL, "{}", NULL, true },
    { "a user without a token", NULL, "{\"id\":\"1\",\"username\":\"made up\"}", NULL, true },
    { "a user that isn't JSON", MADE_UP_TOKEN, "]", NULL, true },
    { "a made-up password", NULL, NULL, "a-password-that-d-backctl-made-up", false },
    { "a made-up token", MADE_UP_TOKEN, "{\"id\":\"1\",\"username\":\"made up\"}", NULL, false },
};

static void expect_refused(struct life *life, const struct known_server *server)
{
    struct trial *trial = life->subject->trial;
    for (size_t i = 0; i < sizeof bad_logins / sizeof bad_logins[0]; i++) {
        struct check_answer *answer =
            life_answer(life, &(struct question){ .what = MEMBER_VALIDATE,
                                                  .server = bytes_of(server->discord_id),
                                                  .token = bytes_of(bad_logins[i].token),
                                                  .user_json = bytes_of(bad_logins[i].user_json),
                                                  .password = bytes_of(bad_logins[i].password) });
        if (answer)
            trial_note(trial, "%s: %s: %s", server->id, bad_logins[i].what, result_word(answer->result));
        if (answer && answer->result == DBACK_OK && bad_logins[i].certain)
            trial_fail(trial, CLAUSE_LOGIN, "validate() lets %s into %s", bad_logins[i].what, server->id);
        else if (answer && answer->result == DBACK_OK)
            trial_warn(trial, CLAUSE_LOGIN, "validate() lets %s into %s: does it check anything?",
                       bad_logins[i].what, server->id);
        check_answer_free(answer);
    }
}

/* True: the login that was given opens it. */
static bool expect_let_in(struct life *life, const struct known_server *server)
{
    const struct plan *plan = life->subject->plan;
    struct check_answer *answer =
        life_answer(life, &(struct question){ .what = MEMBER_VALIDATE,
                                              .server = bytes_of(server->discord_id),
                                              .token = bytes_of(plan->token),
                                              .user_json = bytes_of(plan->user_json),
                                              .password = bytes_of(plan->password) });
    bool let_in = answer && answer->result == DBACK_OK;
    if (let_in)
        trial_note(life->subject->trial, "%s: the login is let in as %s", server->id,
                   answer->login_uid ? answer->login_uid : "nobody in particular");
    check_answer_free(answer);
    return let_in;
}

static void validate(struct life *life)
{
    struct trial *trial = life->subject->trial;
    const struct plan *plan = life->subject->plan;
    struct known known;
    unsigned judged = 0, opened = 0;
    subject_learn(life, &known);
    for (size_t i = 0; i < known.count; i++) {
        if (!known.servers[i].decides)
            continue;
        judged++;
        expect_refused(life, &known.servers[i]);
        if (plan->token || plan->password)
            opened += expect_let_in(life, &known.servers[i]);
    }
    known_finish(&known);
    if (judged == 0)
        trial_skip(trial, "none of its servers is passworded; name one that is with --server");
    else if ((plan->token || plan->password) && opened == 0)
        trial_fail(trial, CLAUSE_OPENS, "the login that was given opens none of its servers");
    else
        trial_sum_up(trial, "%u server%s%s", judged, judged == 1 ? "" : "s",
                     opened ? ", the login opens some"
                            : "; try a good login: --token and --user, or --password");
}

void check_validate(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, validate);
}

/* ------------------ static_file --------------------------------------------------------------- */

static void judge_content(struct trial *trial, const char *path, const struct check_answer *answer)
{
    struct stat st;
    if (answer->has_bytes) {
        trial_note(trial, "%s: %zu bytes, type \"%s\"", path, answer->byte_count, answer->content_type);
    } else if (answer->file) {
        trial_note(trial, "%s: the file %s, type \"%s\"", path, answer->file, answer->content_type);
        if (stat(answer->file, &st) < 0 || access(answer->file, R_OK) < 0)
            trial_fail(trial, CLAUSE_FILE, "%s: %s: %s", path, answer->file, strerror(errno));
        else if (!S_ISREG(st.st_mode))
            trial_fail(trial, CLAUSE_FILE, "%s: %s is not a regular file", path, answer->file);
    }
}

static void static_file(struct life *life)
{
    static const char *const paths[] = { "/", "/index.html", "/main.js", "/nobody-has-this",
                                         "/a/b/c d/\xc3\xa9.png" };
    struct trial *trial = life->subject->trial;
    const struct plan *plan = life->subject->plan;
    size_t count = sizeof paths / sizeof paths[0], answered = 0;
    for (size_t i = 0; i <= count; i++) {
        const char *path = i < count ? paths[i] : plan->static_path;
        struct check_answer *answer =
            path ? life_answer(life, &(struct question){ .what = MEMBER_STATIC_FILE, .path = bytes_of(path) })
                 : NULL;
        if (answer && answer->result == DBACK_OK) {
            judge_content(trial, path, answer);
            answered++;
        } else if (answer && i == count) {
            trial_fail(trial, CLAUSE_RESULT, "static_file() has nothing for %s: %s %s", path,
                       result_word(answer->result), answer->why);
        }
        check_answer_free(answer);
    }
    trial_sum_up(trial, "%zu of %zu paths", answered, count + (plan->static_path != NULL));
}

void check_static_file(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, static_file);
}
