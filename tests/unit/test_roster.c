/* The roster: each rule by itself, then random histories against a model of plain arrays.
 *
 * The model says which changes have to be emitted, in which order; a viewer who does what the d-zone client
 * does replays what really was emitted. After every single change the viewer has to see exactly the roster.
 */
#include "testing.h"

#include "state/roster.h"

#include <errno.h>
#include <stdio.h>

#define MANY 64 /* more than the histories ever have at a time */

struct person {
    char uid[16], name[16], color[16];
    uint32_t status;
    bool touched;
    bool said_status, said_name, said_color; /* by events since the answer began */
};

struct people {
    struct person of[MANY];
    size_t count;
};

static struct person *person_in(struct people *people, const char *uid)
{
    for (size_t i = 0; i < people->count; i++) {
        if (!strcmp(people->of[i].uid, uid))
            return &people->of[i];
    }
    return NULL;
}

static void remove_person(struct people *people, struct person *p)
{
    size_t at = (size_t)(p - people->of);
    memmove(p, p + 1, (people->count - at - 1) * sizeof *p);
    people->count--;
}

static struct person *add_person(struct people *people, const struct person *p)
{
    assert_true(people->count < MANY);
    people->of[people->count] = *p;
    return &people->of[people->count++];
}

static void put(char out[16], struct str s)
{
    assert_true(s.len < 16);
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
}

/* ------------------ a viewer ------------------------------------------------------------------ */

struct viewer {
    struct people sees;
    struct text_buffer told;     /* "+uid name color status;" someone new, "=uid status[ color];", "-uid;" */
    const struct roster *roster; /* compared after each change; NULL: not */
};

static void assert_sees(struct viewer *viewer, const struct roster *roster)
{
    struct text_buffer shown = { 0 }, seen = { 0 };
    roster_write(roster, &shown);
    text_append_literal(&seen, "{");
    for (size_t i = 0; i < viewer->sees.count; i++) {
        const struct person *p = &viewer->sees.of[i];
        text_appendf(&seen,
                     "%s\"%s\":{\"uid\":\"%s\",\"username\":\"%s\",\"status\":\"%s\",\"roleColor\":\"%s\"}",
                     i ? "," : "", p->uid, p->uid, p->name, status_name(p->status), p->color);
        const struct roster_user *user = roster_find(roster, str_of(p->uid));
        assert_non_null(user);
        assert_int_equal(user->status, p->status);
    }
    text_append_literal(&seen, "}");
    text_append(&shown, "", 1);
    text_append(&seen, "", 1);
    assert_string_equal(shown.ptr, seen.ptr);
    assert_int_equal(roster_count(roster), viewer->sees.count);
    text_finish(&shown);
    text_finish(&seen);
}

static void on_change(void *arg, const struct roster_change *change)
{
    struct viewer *viewer = arg;
    struct person said = { .status = change->user->status };
    put(said.uid, change->user->uid);
    put(said.name, change->user->username);
    put(said.color, change->user->role_color);
    struct person *known = person_in(&viewer->sees, said.uid);
    if (change->gone) {
        assert_non_null(known); /* else the client would make an actor to delete */
        remove_person(&viewer->sees, known);
        text_appendf(&viewer->told, "-%s;", said.uid);
    } else if (change->with_username) {
        assert_null(known);
        assert_true(change->with_role_color);
        add_person(&viewer->sees, &said);
        text_appendf(&viewer->told, "+%s %s %s %s;", said.uid, said.name, said.color,
                     status_name(said.status));
    } else {
        assert_non_null(known);
        assert_string_equal(known->name, said.name);
        if (change->with_role_color)
            strcpy(known->color, said.color);
        assert_string_equal(known->color, said.color);
        known->status = said.status;
        text_appendf(&viewer->told, "=%s %s%s%s;", said.uid, status_name(said.status),
                     change->with_role_color ? " " : "", change->with_role_color ? said.color : "");
    }
    if (viewer->roster)
        assert_sees(viewer, viewer->roster);
}

static void assert_told(struct viewer *viewer, const char *expected)
{
    text_append(&viewer->told, "", 1);
    assert_string_equal(viewer->told.ptr, expected);
    viewer->told.len = 0;
}

/* ------------------ rule by rule -------------------------------------------------------------- */

struct stage {
    struct roster *roster;
    struct viewer viewer;
};

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    stage->roster = roster_create();
    stage->viewer.roster = stage->roster;
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    roster_destroy(stage->roster);
    text_finish(&stage->viewer.told);
    free(stage);
    return 0;
}

static struct user_row row(const char *uid, const char *name, const char *color, uint32_t status)
{
    return (struct user_row){ str_of(uid), str_of(name), str_of(color), status };
}

static int come(struct stage *s, struct user_row user)
{
    return roster_apply_user(s->roster, &user, on_change, &s->viewer);
}

static int go(struct stage *s, const char *uid)
{
    return roster_apply_gone(s->roster, str_of(uid), on_change, &s->viewer);
}

static void answer(struct stage *s, const struct user_row *rows, size_t count)
{
    roster_apply_answer(s->roster, rows, count, on_change, &s->viewer);
}
#define ANSWER(stage, ...)                                                                                   \
    answer((stage), (struct user_row[]){ __VA_ARGS__ }, ARRAY_LENGTH(((struct user_row[]){ __VA_ARGS__ })))

static void test_statuses(void **state)
{
    (void)state;
    assert_null(status_name(DBACK_STATUS_UNKNOWN));
    assert_string_equal(status_name(DBACK_STATUS_ONLINE), "online");
    assert_string_equal(status_name(DBACK_STATUS_IDLE), "idle");
    assert_string_equal(status_name(DBACK_STATUS_DND), "dnd");
    assert_string_equal(status_name(DBACK_STATUS_OFFLINE), "offline");
    assert_null(status_name(5));
    assert_null(status_name(UINT32_MAX));
}

static void test_first_answer(void **state)
{
    struct stage *s = *state;
    roster_begin_answer(s->roster);
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", NULL, NULL, 0), row("3", "", "", 77));
    assert_told(&s->viewer, "+1 ann #111111 online;+2 2 #99aab5 offline;+3 3 #99aab5 offline;");
    assert_int_equal(roster_count(s->roster), 3);
    assert_null(roster_find(s->roster, STR("4")));
    assert_null(roster_find(s->roster, STR("")));
}

static void test_answer_sends_differences_only(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 2), row("3", "cyd", "#333333", 3));
    s->viewer.told.len = 0;
    uint64_t version = roster_version(s->roster);
    ANSWER(s, row("3", "cyd", "#333333", 3), row("1", "ann", "#111111", 1), row("2", NULL, NULL, 0));
    assert_told(&s->viewer, "");
    assert_true(roster_version(s->roster) == version);
    /* Departures first, then what the answer says in its order. */
    ANSWER(s, row("4", "dan", NULL, 1), row("3", "cyd", "#333334", 3), row("2", "bob", "#222222", 4));
    assert_told(&s->viewer, "-1;+4 dan #99aab5 online;=3 dnd #333334;=2 offline;");
    assert_true(roster_version(s->roster) > version);
    answer(s, NULL, 0);
    assert_told(&s->viewer, "-2;-3;-4;");
}

static void test_rename(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 2));
    s->viewer.told.len = 0;
    assert_int_equal(come(s, row("1", "anna", NULL, 0)), 0);
    assert_told(&s->viewer, "-1;+1 anna #111111 online;");
    ANSWER(s, row("1", "anna", NULL, 0), row("2", "rob", "#333333", 4));
    assert_told(&s->viewer, "-2;+2 rob #333333 offline;");
}

static void test_double_rows(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 2), row("1", NULL, NULL, 3));
    assert_told(&s->viewer, "+2 bob #222222 idle;+1 1 #99aab5 dnd;");
}

static void test_events(void **state)
{
    struct stage *s = *state;
    assert_int_equal(come(s, row("1", NULL, "#111111", 1)), -ENOENT);
    assert_int_equal(go(s, "1"), -ENOENT);
    assert_true(roster_version(s->roster) == 0);
    assert_told(&s->viewer, "");
    assert_int_equal(come(s, row("1", "ann", NULL, 0)), 0);
    assert_told(&s->viewer, "+1 ann #99aab5 offline;");
    uint64_t version = roster_version(s->roster);
    assert_int_equal(come(s, row("1", "ann", NULL, 0)), 0);
    assert_told(&s->viewer, "=1 offline;");
    assert_true(roster_version(s->roster) == version);
    assert_int_equal(come(s, row("1", NULL, "#111111", 1)), 0);
    assert_told(&s->viewer, "=1 online #111111;");
    assert_int_equal(come(s, row("1", NULL, NULL, 9)), 0);
    assert_told(&s->viewer, "=1 online;");
    assert_int_equal(go(s, "1"), 0);
    assert_int_equal(go(s, "1"), -ENOENT);
    assert_told(&s->viewer, "-1;");
    struct user_row unheard = row("2", "bob", NULL, 1);
    assert_int_equal(roster_apply_user(s->roster, &unheard, NULL, NULL), 0);
    unheard.username = STR("rob");
    assert_int_equal(roster_apply_user(s->roster, &unheard, NULL, NULL), 0);
    assert_int_equal(roster_apply_gone(s->roster, STR("2"), NULL, NULL), 0);
    assert_int_equal(roster_count(s->roster), 0);
}

/* Rows may point into the roster that they change. */
static void test_rows_that_are_the_roster(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1));
    const struct roster_user *user = roster_find(s->roster, STR("1"));
    struct user_row same = { user->uid, STR("anna"), user->role_color, user->status };
    assert_int_equal(roster_apply_user(s->roster, &same, on_change, &s->viewer), 0);
    user = roster_find(s->roster, STR("1"));
    same = (struct user_row){ user->uid, user->username, STR("#222222"), user->status };
    assert_int_equal(roster_apply_user(s->roster, &same, on_change, &s->viewer), 0);
    roster_begin_answer(s->roster);
    user = roster_find(s->roster, STR("1"));
    assert_int_equal(roster_apply_gone(s->roster, user->uid, on_change, &s->viewer), 0);
    assert_told(&s->viewer, "+1 ann #111111 online;-1;+1 anna #111111 online;=1 online #222222;-1;");
}

static void test_events_win_over_the_answer(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1), row("3", "cyd", "#333333", 1));
    roster_begin_answer(s->roster);
    assert_int_equal(come(s, row("1", "ann", "#111112", 2)), 0);
    assert_int_equal(go(s, "2"), 0);
    assert_int_equal(go(s, "9"), -ENOENT); /* on no roster yet, but the rows may list them */
    assert_int_equal(come(s, row("4", "dan", NULL, 1)), 0);
    s->viewer.told.len = 0;
    ANSWER(s, row("1", "old", "#999999", 4), row("2", "bob", "#222222", 1), row("9", "ian", NULL, 1));
    assert_told(&s->viewer, "-3;");
    assert_non_null(roster_find(s->roster, STR("4")));
    /* Once only: the next answer counts again. */
    ANSWER(s, row("1", "old", "#999999", 4), row("2", "bob", "#222222", 1), row("9", "ian", NULL, 1));
    assert_told(&s->viewer, "-4;-1;+1 old #999999 offline;+2 bob #222222 online;+9 ian #99aab5 online;");
}

/* An event that says nothing of the name can't be newer than the row's name. */
static void test_the_rows_tell_what_no_event_has_said(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1), row("3", "cyd", "#333333", 1));
    roster_begin_answer(s->roster);
    assert_int_equal(come(s, row("1", NULL, NULL, 2)), 0);
    assert_int_equal(come(s, row("2", NULL, "#222223", 0)), 0);
    assert_int_equal(come(s, row("2", NULL, NULL, 3)), 0);
    assert_int_equal(come(s, row("3", NULL, NULL, 3)), 0);
    assert_int_equal(come(s, row("3", "sid", NULL, 0)), 0);
    s->viewer.told.len = 0;
    ANSWER(s, row("1", "anna", "#111119", 4), row("2", "rob", "#222229", 4), row("3", "cyd", "#333339", 4));
    assert_told(&s->viewer, "-1;+1 anna #111119 idle;-2;+2 rob #222223 dnd;=3 dnd #333339;");
}

static void test_who_left_and_came_back_meanwhile(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1));
    roster_begin_answer(s->roster);
    assert_int_equal(go(s, "1"), 0);
    assert_int_equal(come(s, row("1", "anna", NULL, 3)), 0);
    assert_int_equal(go(s, "2"), 0);
    assert_int_equal(come(s, row("2", NULL, NULL, 3)),
                     -ENOENT); /* they are here, but who are they? The rows know. */
    s->viewer.told.len = 0;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1));
    assert_told(&s->viewer, "=1 dnd #111111;+2 bob #222222 online;");
}

static void test_begun_again_and_aborted(void **state)
{
    struct stage *s = *state;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1));
    roster_begin_answer(s->roster);
    assert_int_equal(come(s, row("1", NULL, NULL, 2)), 0);
    assert_int_equal(go(s, "2"), 0);
    roster_begin_answer(s->roster);
    s->viewer.told.len = 0;
    ANSWER(s, row("1", NULL, NULL, 3), row("2", "bob", "#222222", 1));
    assert_told(&s->viewer, "=1 dnd;+2 bob #222222 online;");
    roster_begin_answer(s->roster);
    assert_int_equal(go(s, "2"), 0);
    assert_int_equal(come(s, row("1", NULL, NULL, 1)), 0);
    roster_abort_answer(s->roster);
    roster_abort_answer(s->roster);
    s->viewer.told.len = 0;
    ANSWER(s, row("1", NULL, NULL, 3), row("2", "bob", "#222222", 1));
    assert_told(&s->viewer, "=1 dnd;+2 bob #222222 online;");
}

static void test_departures_have_a_limit(void **state)
{
    struct stage *s = *state;
    char uid[16];
    roster_begin_answer(s->roster);
    for (unsigned i = 0; i < ROSTER_DEPARTURES_MAX + 2; i++) {
        snprintf(uid, sizeof uid, "%u", i);
        assert_int_equal(go(s, uid), -ENOENT);
    }
    ANSWER(s, row("0", NULL, NULL, 1), row(uid, NULL, NULL, 1));
    assert_null(roster_find(s->roster, STR("0")));
    assert_non_null(roster_find(s->roster, str_of(uid)));
}

static void test_write_escapes(void **state)
{
    struct stage *s = *state;
    struct text_buffer out = { 0 };
    roster_write(s->roster, &out);
    struct user_row odd = row("\"", "a\nb", "#111111", 1);
    assert_int_equal(roster_apply_user(s->roster, &odd, NULL, NULL), 0);
    roster_write(s->roster, &out);
    text_append(&out, "", 1);
    assert_string_equal(out.ptr, "{}{\"\\\"\":{\"uid\":\"\\\"\",\"username\":\"a\\nb\",\"status\":\"online\","
                                 "\"roleColor\":\"#111111\"}}");
    text_finish(&out);
    roster_destroy(NULL);
}

static void count_changes(void *arg, const struct roster_change *change)
{
    (void)change;
    ++*(size_t *)arg;
}

static void test_quarter_of_a_million(void **state)
{
    (void)state;
    enum { COUNT = 250000 };
    struct user_row *rows = calloc(COUNT, sizeof *rows);
    char(*uids)[24] = calloc(COUNT, sizeof *uids);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(uids[i], sizeof uids[i], "%llu", 123456789012345000ull + i);
        rows[i] = row(uids[i], uids[i] + 9, "#123456", 1 + i % 4);
    }
    struct roster *roster = roster_create();
    size_t changes = 0;
    roster_apply_answer(roster, rows, COUNT, count_changes, &changes);
    assert_int_equal(changes, COUNT);
    assert_int_equal(roster_count(roster), COUNT);
    changes = 0;
    roster_begin_answer(roster);
    roster_apply_answer(roster, rows, COUNT, count_changes, &changes);
    assert_int_equal(changes, 0);
    roster_apply_answer(roster, rows + COUNT / 2, COUNT / 2, count_changes, &changes);
    assert_int_equal(changes, COUNT / 2);
    assert_null(roster_find(roster, str_of(uids[0])));
    assert_non_null(roster_find(roster, str_of(uids[COUNT - 1])));
    roster_destroy(roster);
    free(uids);
    free(rows);
}

/* ------------------ random histories ---------------------------------------------------------- */

/* The rules once more, as naively as can be. */
struct model {
    struct people people;
    char departed[MANY][16];
    size_t departed_count;
    bool answering;
    struct text_buffer expected;
};

static size_t departure_in(const struct model *model, const char *uid)
{
    for (size_t i = 0; i < model->departed_count; i++) {
        if (!strcmp(model->departed[i], uid))
            return i;
    }
    return MANY;
}

/* What events have said of somebody wins over a row. */
static struct person unsaid(const struct model *model, const struct person *row, const struct person *known)
{
    struct person rest = *row;
    if (!model->answering || !known || !known->touched)
        return rest;
    if (known->said_status)
        rest.status = 0;
    if (known->said_name)
        rest.name[0] = '\0';
    if (known->said_color)
        rest.color[0] = '\0';
    return rest;
}

static void model_row(struct model *model, const struct person *row, bool event)
{
    struct person *known = person_in(&model->people, row->uid);
    struct person rest = unsaid(model, row, event ? NULL : known);
    const struct person *given = &rest;
    struct person next =
        known ? *known : (struct person){ .color = DEFAULT_ROLE_COLOR, .status = DBACK_STATUS_OFFLINE };
    strcpy(next.uid, given->uid);
    if (given->name[0])
        strcpy(next.name, given->name);
    else if (!known)
        strcpy(next.name, given->uid);
    if (given->color[0])
        strcpy(next.color, given->color);
    if (given->status)
        next.status = given->status;
    next.touched = event;
    if (event) {
        next.said_status |= given->status != 0;
        next.said_name |= given->name[0] != '\0';
        next.said_color |= given->color[0] != '\0';
    }
    if (known && !strcmp(known->name, next.name)) {
        bool recolored = strcmp(known->color, next.color) != 0;
        if (event || recolored || known->status != next.status)
            text_appendf(&model->expected, "=%s %s%s%s;", next.uid, status_name(next.status),
                         recolored ? " " : "", recolored ? next.color : "");
        *known = next;
        return;
    }
    if (known) {
        text_appendf(&model->expected, "-%s;", next.uid);
        remove_person(&model->people, known);
    }
    text_appendf(&model->expected, "+%s %s %s %s;", next.uid, next.name, next.color,
                 status_name(next.status));
    add_person(&model->people, &next);
}

static int model_come(struct model *model, const struct person *given)
{
    size_t departure = departure_in(model, given->uid);
    if (departure < MANY)
        memmove(model->departed[departure], model->departed[--model->departed_count], 16);
    if (!given->name[0] && !person_in(&model->people, given->uid))
        return -ENOENT;
    model_row(model, given, true);
    return 0;
}

static int model_go(struct model *model, const char *uid)
{
    struct person *known = person_in(&model->people, uid);
    if (model->answering && departure_in(model, uid) == MANY)
        strcpy(model->departed[model->departed_count++], uid);
    if (!known)
        return -ENOENT;
    text_appendf(&model->expected, "-%s;", uid);
    remove_person(&model->people, known);
    return 0;
}

static void model_forget(struct model *model, bool answering)
{
    model->departed_count = 0;
    model->answering = answering;
    for (size_t i = 0; i < model->people.count; i++) {
        struct person *p = &model->people.of[i];
        p->touched = p->said_status = p->said_name = p->said_color = false;
    }
}

static void model_answer(struct model *model, const struct person *rows, size_t count)
{
    for (size_t i = 0; i < model->people.count;) {
        struct person *p = &model->people.of[i];
        bool listed = model->answering && p->touched;
        for (size_t r = 0; r < count; r++)
            listed = listed || !strcmp(rows[r].uid, p->uid);
        if (listed) {
            i++;
            continue;
        }
        text_appendf(&model->expected, "-%s;", p->uid);
        remove_person(&model->people, p);
    }
    for (size_t r = 0; r < count; r++) {
        bool counts = departure_in(model, rows[r].uid) == MANY;
        for (size_t later = r + 1; later < count; later++)
            counts = counts && strcmp(rows[r].uid, rows[later].uid) != 0;
        if (counts)
            model_row(model, &rows[r], false);
    }
    model_forget(model, false);
}

/* Few uids, names, colours: so that everything meets everything. */
static struct person random_person(struct dice *dice, unsigned uids)
{
    static const char *const colors[] = { "", "#111111", "#222222" }, *const names[] = { "", "ann", "bob" };
    struct person p = { .status = dice_below(dice, 5) };
    snprintf(p.uid, sizeof p.uid, "%u", dice_below(dice, uids));
    strcpy(p.name, names[dice_below(dice, 3)]);
    strcpy(p.color, colors[dice_below(dice, 3)]);
    return p;
}

static struct user_row row_of(const struct person *p)
{
    return row(p->uid, p->name, p->color, p->status);
}

static void random_answer(struct dice *dice, struct stage *s, struct model *model, unsigned uids)
{
    struct person rows[MANY / 2];
    struct user_row given[MANY / 2];
    size_t count = dice_below(dice, 2 * uids > MANY / 2 ? MANY / 2 : 2 * uids);
    for (size_t i = 0; i < count; i++) {
        rows[i] = random_person(dice, uids);
        given[i] = row_of(&rows[i]);
    }
    model_answer(model, rows, count);
    answer(s, given, count);
}

static void random_step(struct dice *dice, struct stage *s, struct model *model, unsigned uids)
{
    struct person p = random_person(dice, uids);
    uint64_t version = roster_version(s->roster);
    switch (dice_below(dice, 12)) {
    case 0:
    case 1:
        model_forget(model, true);
        roster_begin_answer(s->roster);
        break;
    case 2:
        random_answer(dice, s, model, uids);
        break;
    case 3:
        if (dice_below(dice, 4) == 0) {
            model_forget(model, false);
            roster_abort_answer(s->roster);
        }
        break;
    case 4:
    case 5:
    case 6:
        assert_int_equal(go(s, p.uid), model_go(model, p.uid));
        break;
    default:
        assert_int_equal(come(s, row_of(&p)), model_come(model, &p));
    }
    bool silent = !model->expected.len;
    text_append(&model->expected, "", 1);
    assert_told(&s->viewer, model->expected.ptr);
    model->expected.len = 0;
    assert_sees(&s->viewer, s->roster);
    assert_true(roster_version(s->roster) >= version && (!silent || roster_version(s->roster) == version));
}

static void test_random_histories(void **state)
{
    (void)state;
    struct dice dice = dice_create(1);
    for (unsigned history = 0; history < 3000; history++) {
        unsigned uids = 1 + history % 20;
        struct model model = { 0 };
        void *stage;
        set_up(&stage);
        for (unsigned step = 0; step < 60; step++)
            random_step(&dice, stage, &model, uids);
        text_finish(&model.expected);
        tear_down(&stage);
    }
}

static void fill_at_random(struct dice *dice, struct stage *s, unsigned uids)
{
    for (unsigned i = 0; i < uids * 2; i++) {
        struct person p = random_person(dice, uids);
        if (dice_below(dice, 3))
            come(s, row_of(&p));
        else
            go(s, p.uid);
    }
}

static int by_uid(const void *a, const void *b)
{
    return strcmp(((const struct person *)a)->uid, ((const struct person *)b)->uid);
}

static void test_random_differences(void **state)
{
    (void)state;
    struct dice dice = dice_create(2);
    for (unsigned history = 0; history < 5000; history++) {
        void *one, *two;
        set_up(&one);
        set_up(&two);
        struct stage *shown = one, *candidate = two;
        unsigned uids = 1 + history % 12;
        fill_at_random(&dice, shown, uids);
        fill_at_random(&dice, candidate, uids);
        uint64_t versions[] = { roster_version(shown->roster), roster_version(candidate->roster) };
        struct viewer viewer = { .sees = shown->viewer.sees };
        roster_difference(shown->roster, candidate->roster, on_change, &viewer);
        assert_sees(&shown->viewer, shown->roster);
        assert_sees(&candidate->viewer, candidate->roster);
        assert_true(versions[0] == roster_version(shown->roster) &&
                    versions[1] == roster_version(candidate->roster));
        struct people *expected = &candidate->viewer.sees;
        assert_int_equal(viewer.sees.count, expected->count);
        qsort(viewer.sees.of, viewer.sees.count, sizeof viewer.sees.of[0], by_uid);
        qsort(expected->of, expected->count, sizeof expected->of[0], by_uid);
        assert_memory_equal(viewer.sees.of, expected->of, expected->count * sizeof expected->of[0]);
        /* From there to there is nothing. */
        viewer.told.len = 0;
        roster_difference(candidate->roster, candidate->roster, on_change, &viewer);
        assert_told(&viewer, "");
        text_finish(&viewer.told);
        tear_down(&one);
        tear_down(&two);
    }
}

static void test_difference_order(void **state)
{
    struct stage *s = *state;
    void *other;
    set_up(&other);
    struct stage *next = other;
    ANSWER(s, row("1", "ann", "#111111", 1), row("2", "bob", "#222222", 1), row("3", "cyd", "#333333", 1),
           row("4", "dan", "#444444", 1));
    ANSWER(next, row("5", "eve", "#555555", 2), row("4", "dan", "#444445", 1), row("3", "cy", "#333333", 3),
           row("2", "bob", "#222222", 1));
    s->viewer.told.len = 0;
    s->viewer.roster = NULL; /* the roster stays as it is while the viewer moves on */
    roster_difference(s->roster, next->roster, on_change, &s->viewer);
    assert_told(&s->viewer, "-1;+5 eve #555555 idle;=4 online #444445;-3;+3 cy #333333 dnd;");
    tear_down(&other);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        STAGED(test_first_answer),
        STAGED(test_answer_sends_differences_only),
        STAGED(test_rename),
        STAGED(test_double_rows),
        STAGED(test_events),
        STAGED(test_rows_that_are_the_roster),
        STAGED(test_events_win_over_the_answer),
        STAGED(test_the_rows_tell_what_no_event_has_said),
        STAGED(test_who_left_and_came_back_meanwhile),
        STAGED(test_begun_again_and_aborted),
        STAGED(test_departures_have_a_limit),
        STAGED(test_write_escapes),
        STAGED(test_difference_order),
        cmocka_unit_test(test_quarter_of_a_million),
        cmocka_unit_test(test_random_histories),
        cmocka_unit_test(test_random_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
