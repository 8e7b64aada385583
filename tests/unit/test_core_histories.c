/* The core at random: people come, change and go, servers too, providers answer late, in pieces or not at all
 * and are swapped, while viewers join, change servers, fall behind and leave. Each viewer objects at once to
 * whatever a d-zone client must not be sent; and when all has come to rest, everybody has to see what is
 * true.
 *
 * DBACK_TEST_SEED chooses other histories, DBACK_TEST_HISTORIES how many; a failure names its own. */
#include "core_stage.h"

#define ACTS 10 /* each ends in peace */
#define STEPS 100

static unsigned long history;

/* ------------------ what happens; under the lock ---------------------------------------------- */

static unsigned other_color(struct dice *dice)
{
    return dice_below(dice, 4);
}

/* An event that says only what is new, now and then more; someone new is described in full, or without a
 * name. */
static void emit_some(struct dice *dice, unsigned place, unsigned who, const struct person *before)
{
    struct words w;
    const struct person *p = &truth.places[place].people[who];
    dback_user user = row_of(&truth.places[place], who, &w);
    if (before->here) {
        if (p->name == before->name && dice_below(dice, 2))
            user.username = dback_text("");
        if (p->color == before->color && dice_below(dice, 2))
            user.role_color = dback_text("");
        if (p->status == before->status && dice_below(dice, 2))
            user.status = DBACK_STATUS_UNKNOWN;
    } else if (!before->slipped_out && dice_below(dice, 4) == 0) {
        user.username = dback_text(""); /* the host has to ask */
    }
    emit(DBACK_EVENT_USER, place, &user, NULL);
}

static void change_person(struct dice *dice, struct person *p)
{
    p->here = true;
    p->status = 1 + dice_below(dice, 4);
    if (dice_below(dice, 3) == 0)
        p->color = other_color(dice);
    if (dice_below(dice, 4) == 0)
        p->name = dice_below(dice, 4);
}

static void something_happens(struct dice *dice, unsigned place)
{
    unsigned who = dice_below(dice, PEOPLE);
    struct person *p = &truth.places[place].people[who], before = *p;
    if (who && before.here && dice_below(dice, 3) == 0) {
        p->here = false;
        emit_person(place, who);
        return;
    }
    change_person(dice, p);
    emit_some(dice, place, who, &before);
    p->slipped_out = false;
}

/* Without a word of whom or what. */
static void something_has_happened(struct dice *dice, unsigned place)
{
    for (unsigned i = 0; i < 3; i++) {
        unsigned who = dice_below(dice, PEOPLE);
        struct person *p = &truth.places[place].people[who];
        if (who && p->here && dice_below(dice, 3) == 0) {
            p->here = false;
            p->slipped_out = true;
        } else {
            change_person(dice, p);
        }
    }
    emit(DBACK_EVENT_USERS_CHANGED, place, NULL, NULL);
}

static void the_client_id_changes(struct dice *dice, unsigned place)
{
    char text[16] = "";
    unsigned id = truth.places[place].client_id = dice_below(dice, 3);
    if (id)
        snprintf(text, sizeof text, "c%u", id);
    emit(DBACK_EVENT_CLIENT_ID, place, NULL, text);
}

static void the_list_changes(struct dice *dice)
{
    unsigned which = dice_below(dice, PLACES);
    struct place *place = &truth.places[which];
    switch (dice_below(dice, 4)) {
    case 0:
        place->id = !place->id;
        break;
    case 1:
        place->passworded = which && !place->passworded;
        break;
    case 2:
        truth.default_place = which;
        break;
    default:
        place->listed = !place->listed || which == 0;
    }
    emit(DBACK_EVENT_SERVERS_CHANGED, 0, NULL, NULL);
}

/* ------------------ one step ------------------------------------------------------------------ */

static void happen(struct dice *dice, bool with_failures)
{
    unsigned place = dice_below(dice, PLACES);
    lock();
    switch (dice_below(dice, 13)) {
    case 0:
        something_has_happened(dice, place);
        break;
    case 1:
        the_client_id_changes(dice, place);
        break;
    case 2:
        if (dice_below(dice, 3) == 0)
            the_list_changes(dice);
        break;
    case 3:
        truth.hold = dice_below(dice, 2);
        break;
    case 4:
        truth.refuse_users = with_failures && dice_below(dice, 2);
        break;
    case 5:
        if (validators() == 1) /* the answers of two have no order */
            end_login(stage.viewers[dice_below(dice, VIEWERS)].serial, dice_below(dice, 2) ? 3 : place);
        break;
    case 6:
    case 7:
        talk(place);
        break;
    default:
        something_happens(dice, place);
    }
    unlock();
}

static void join_somewhere(struct dice *dice, struct viewer *v)
{
    char wanted[16];
    unsigned place = dice_below(dice, PLACES);
    snprintf(wanted, sizeof wanted, "%c%u", 'a' + (int)dice_below(dice, 2), place);
    if (dice_below(dice, 3) == 0)
        snprintf(wanted, sizeof wanted, "100%u", place);
    if (dice_below(dice, 8) == 0)
        strcpy(wanted, "default");
    join_place(v, wanted, dice_below(dice, 2));
}

static void move_viewer(struct dice *dice)
{
    struct viewer *v = &stage.viewers[dice_below(dice, VIEWERS)];
    take_mail();
    switch (dice_below(dice, 6)) {
    case 0:
        if (v->serial)
            leave(v);
        break;
    case 1:
        if (v->in && !v->asking)
            ask_for_snapshot(v);
        break;
    case 2:
        read_log(v, dice_below(dice, 10));
        break;
    default:
        if (!v->asking)
            join_somewhere(dice, v);
    }
}

static void step(struct dice *dice, bool with_failures)
{
    unsigned which = dice_below(dice, 100);
    if (which < 40)
        happen(dice, with_failures);
    else if (which < 65)
        move_viewer(dice);
    else if (which < 85)
        answer_held(dice_below(dice, 4), dice_below(dice, 2));
    else if (which < 88)
        begin_swap(dice_below(dice, truth.slots), dice_below(dice, 4) == 0);
    else if (which < 94)
        settle_core();
    else
        nap();
}

/* ------------------ the end of a history ------------------------------------------------------ */

static void come_to_rest(bool with_failures)
{
    lock();
    truth.refuse_users = false;
    for (unsigned i = 0; i < PLACES; i++)
        truth.places[i].listed = true;
    emit(DBACK_EVENT_SERVERS_CHANGED, 0, NULL, NULL);
    unlock();
    let_go();
    WAIT_UNTIL(swaps_over());
    lock();
    for (unsigned i = 0; with_failures && i < PLACES; i++) /* what couldn't be had is asked for again */
        emit(DBACK_EVENT_USERS_CHANGED, i, NULL, NULL);
    unlock();
    WAIT_UNTIL(sees_the_truth());
}

/* Whoever comes now sees it, too, and what happens after it. */
static void newcomers_see_it_too(struct dice *dice)
{
    for (unsigned i = 0; i < PLACES; i++) {
        struct viewer *v = &stage.viewers[i];
        leave(v);
        join_number(v, i, true);
    }
    WAIT_UNTIL(sees_the_truth());
    for (unsigned i = 0; i < PLACES; i++)
        assert_true(stage.viewers[i].in && stage.viewers[i].place == i);
    for (unsigned n = 0; n < 40; n++) {
        lock();
        something_happens(dice, dice_below(dice, PLACES));
        unlock();
    }
    WAIT_UNTIL(sees_the_truth());
}

static void play(unsigned long number)
{
    struct dice dice = dice_create(number * 1000003);
    bool with_failures = number % 4 == 3;
    begin_stage_with(1 + number % SLOTS, 1000, number % 5 == 4 ? 0.05 : -1);
    for (unsigned act = 0; act < ACTS; act++) {
        for (unsigned i = 0; i < STEPS; i++)
            step(&dice, with_failures);
        come_to_rest(with_failures);
    }
    newcomers_see_it_too(&dice);
    end_stage();
}

static void test_histories(void **state)
{
    (void)state;
    const char *wanted = getenv("DBACK_TEST_HISTORIES"), *first = getenv("DBACK_TEST_HISTORY");
    unsigned long count = wanted ? strtoul(wanted, NULL, 10) : 10,
                  begin = first ? strtoul(first, NULL, 10) : 0;
    for (history = begin; history < begin + count; history++)
        play(history);
}

static int name_the_history(void **state)
{
    (void)state;
    if (stage.core && truth.sources)
        print_differences();
    if (stage.core && truth.sources)
        print_error("in history %lu: repeat it with DBACK_TEST_HISTORY=%lu DBACK_TEST_HISTORIES=1\n", history,
                    history);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_histories, name_the_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
