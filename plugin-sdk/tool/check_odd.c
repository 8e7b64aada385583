/* Checks with input that a provider doesn't expect: servers of others, text that is odd or wrong, a host that
 * holds nothing more. What d-back itself would never hand over (bytes that are no UTF-8, NULs) is among it: a
 * provider that survives only what it expects won't survive long.
 */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------ strangers ----------------------------------------------------------------- */

static void expect_pass(struct life *life, const struct question *question, enum clause clause)
{
    struct trial *trial = life->subject->trial;
    struct check_answer *answer = life_answer(life, question);
    const char *name = member_names[question->what];
    if (answer && answer->result == DBACK_OK)
        trial_fail(trial, clause,
                   "%s() says DBACK_OK for a server that it doesn't list: compare the server first, and pass "
                   "on others",
                   name);
    else if (answer && answer->result < 0)
        trial_warn(trial, clause,
                   "%s() answers an error for a server that it doesn't list, which keeps d-back from asking "
                   "the next "
                   "provider: answer DBACK_PASS",
                   name);
    check_answer_free(answer);
}

static void strangers(struct life *life)
{
    const struct bytes stranger = bytes_of("999000999000999000");
    struct question q = { .server = stranger };
    q.what = MEMBER_USERS;
    expect_pass(life, &q, CLAUSE_STRANGERS);
    q.what = MEMBER_CLIENT_ID;
    expect_pass(life, &q, CLAUSE_STRANGERS);
    q.what = MEMBER_VALIDATE;
    q.token = bytes_of("a-token");
    q.user_json = bytes_of("{\"id\":\"1\",\"username\":\"one\"}");
    expect_pass(life, &q, CLAUSE_OPENS);
    q.token = q.user_json = bytes_of(NULL);
    q.password = bytes_of("a-password");
    expect_pass(life, &q, CLAUSE_OPENS);
    life_watch(life, stranger.ptr, 1);
    life_run(life, 20);
    life_watch(life, stranger.ptr, 0);
}

static bool is_asked_about_servers(const struct plan *plan)
{
    return plan->entry.offers[MEMBER_USERS] || plan->entry.offers[MEMBER_CLIENT_ID] ||
           plan->entry.offers[MEMBER_VALIDATE];
}

void check_strangers(struct trial *trial, const struct plan *plan)
{
    if (is_asked_about_servers(plan))
        subject_live(trial, plan, strangers);
    else
        trial_skip(trial, "it is asked about no server");
}

/* ------------------ hostile ------------------------------------------------------------------- */

#define HUGE (1 << 20)

static const struct {
    const char *what, *bytes;
    size_t len;
} odd_texts[] = {
    { "nothing", "", 0 },
    { "one byte", "x", 1 },
    { "a space", " ", 1 },
    { "a format string", "%s%n%s%n%08x", 12 },
    { "quotes", "'; DROP TABLE users; --\"", 24 },
    { "a path", "../../../../etc/passwd", 22 },
    { "a line end", "a\nb\r\nc", 6 },
    { "an embedded NUL", "a\0b", 3 },
    { "no UTF-8", "\xff\xfe\xc0\x80", 4 },
    { "half a character", "\xf0\x9f\xa6", 3 },
    { "a right-to-left mark", "\xe2\x80\xae", 3 },
    { "JSON", "{\"id\":", 6 },
};
#define ODD_TEXTS (sizeof odd_texts / sizeof odd_texts[0])

/* One question that has this text for all that viewers may choose. */
static void ask_with(struct life *life, enum member what, struct bytes server, struct bytes text,
                     const char *described)
{
    struct trial *trial = life->subject->trial;
    struct question q = {
        .what = what, .server = server, .token = text, .user_json = text, .password = text, .path = text
    };
    struct check_answer *answer = life_answer(life, &q);
    if (answer && answer->result == DBACK_OK && what == MEMBER_VALIDATE)
        trial_fail(trial, CLAUSE_LOGIN, "validate() lets a login in that is made of %s", described);
    check_answer_free(answer);
}

static void ask_all_with(struct life *life, const struct known *known, struct bytes text,
                         const char *described)
{
    struct bytes good = known->count ? bytes_of(known->servers[0].discord_id) : bytes_of("1");
    for (enum member what = MEMBER_USERS; what <= MEMBER_STATIC_FILE; what++) {
        ask_with(life, what, text, text, described);
        ask_with(life, what, good, text, described);
        for (size_t i = 1; what == MEMBER_VALIDATE && i < known->count; i++)
            ask_with(life, what, bytes_of(known->servers[i].discord_id), text, described);
    }
}

/* As long as d-back lets viewers make them, and longer; JSON of that size; a path of many parts. */
static void ask_huge(struct life *life, const struct known *known)
{
    char *text = malloc(HUGE);
    memset(text, 'x', HUGE);
    ask_all_with(life, known, (struct bytes){ text, 65 }, "65 bytes");
    ask_all_with(life, known, (struct bytes){ text, HUGE }, "1 MiB");
    memset(text, '[', HUGE);
    ask_all_with(life, known, (struct bytes){ text, HUGE }, "a million brackets");
    for (size_t i = 0; i < HUGE; i++)
        text[i] = i % 2 ? 'a' : '/';
    ask_all_with(life, known, (struct bytes){ text, 8192 }, "a path of 4096 parts");
    free(text);
}

static void hostile(struct life *life)
{
    struct known known;
    life->lenient = true;
    subject_learn(life, &known);
    for (size_t i = 0; i < ODD_TEXTS; i++)
        ask_all_with(life, &known, (struct bytes){ odd_texts[i].bytes, odd_texts[i].len }, odd_texts[i].what);
    ask_huge(life, &known);
    life->lenient = false;
    check_answer_free(
        life_answer(life, &(struct question){ .what = MEMBER_SERVERS })); /* is it still well? */
    trial_sum_up(life->subject->trial, "%zu texts in every place", ODD_TEXTS + 4);
    known_finish(&known);
}

static bool is_asked_anything(const struct plan *plan)
{
    return is_asked_about_servers(plan) || plan->entry.offers[MEMBER_STATIC_FILE];
}

void check_hostile(struct trial *trial, const struct plan *plan)
{
    if (is_asked_anything(plan))
        subject_live(trial, plan, hostile);
    else
        trial_skip(trial, "it is asked nothing that has text in it");
}

/* ------------------ stingy -------------------------------------------------------------------- */

static void ask_all(struct life *life, const struct known *known)
{
    check_answer_free(life_answer(life, &(struct question){ .what = MEMBER_SERVERS }));
    for (size_t i = 0; i < known->count; i++) {
        struct question q = { .what = MEMBER_USERS, .server = bytes_of(known->servers[i].discord_id) };
        check_answer_free(life_answer(life, &q));
        life_watch(life, known->servers[i].discord_id, 1);
    }
}

void check_stingy(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    struct life life = { .lenient = true };
    struct known known;
    char error[1024];
    if (!subject_load(&subject, trial, plan) || !life_begin(&life, &subject))
        return;
    subject_learn(&life, &known);
    check_host_set_stingy(life.host, true);
    ask_all(&life, &known);
    life_run(&life, 50);
    check_host_set_stingy(life.host, false);
    ask_all(&life, &known);
    life_end(&life);
    /* And from the beginning: no timer, watch or hold is to be had in create(). It may refuse then. */
    life = (struct life){ .lenient = true, .host = check_host_new(stdout, 1000) };
    check_host_set_stingy(life.host, true);
    if (life_create(&life, &subject, NULL, plan->options, error, sizeof error) == DBACK_OK) {
        ask_all(&life, &known);
        life_end(&life);
    }
    known_finish(&known);
}
