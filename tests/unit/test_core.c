/* The core, scene by scene: what becomes of questions, waiting viewers, lists and swaps when something comes
 * in between. Each scene holds back the providers' answers and gives them in an order that has to be thought
 * of. test_core_histories.c plays what nobody thinks of. */
#include "core_stage.h"

#include <dirent.h>

static int begin_one(void **state)
{
    (void)state;
    begin_stage(1);
    return 0;
}

static int begin_two(void **state)
{
    (void)state;
    begin_stage(SLOTS);
    return 0;
}

static int end_it(void **state)
{
    (void)state;
    end_stage();
    return 0;
}

static struct viewer *const ann = &stage.viewers[0], *const ben = &stage.viewers[1],
                            *const cyd = &stage.viewers[2];

static void enter(struct viewer *v, unsigned place)
{
    join_number(v, place, true);
    WAIT_UNTIL(v->in && !v->asking && v->place == place);
}

/* Somebody else is here now, and nobody says who. */
static void change_in_silence(unsigned place)
{
    lock();
    truth.places[place].people[1].color++;
    emit(DBACK_EVENT_USERS_CHANGED, place, NULL, NULL);
    unlock();
}

static void change_status(unsigned place, unsigned who)
{
    lock();
    struct person *p = &truth.places[place].people[who];
    p->status = p->status % 4 + 1;
    emit_person(place, who);
    unlock();
}

static void set_client_id(unsigned place, unsigned client_id)
{
    char text[16];
    snprintf(text, sizeof text, "c%u", client_id);
    lock();
    truth.places[place].client_id = client_id;
    emit(DBACK_EVENT_CLIENT_ID, place, NULL, text);
    unlock();
}

static void change_list(void)
{
    emit(DBACK_EVENT_SERVERS_CHANGED, 0, NULL, NULL);
}

/* ------------------ nobody watches ------------------------------------------------------------ */

/* The last viewer leaves while the users are asked for, and another comes: what changes meanwhile is told to
 * nobody, and the snapshot that the first one got is still warm. */
static void test_a_snapshot_from_before_is_not_shown(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 5; turn++) {
        enter(ann, 0);
        hold_back();
        change_in_silence(0);
        WAIT_UNTIL(held_back(CAP_USERS) == 1);
        change_status(0, 1);
        enter(cyd, 0); /* for whom a snapshot is made */
        leave(ann);
        leave(cyd);
        join_number(ben, 0, true);
        change_status(0, 2);
        settle_core();
        let_go();
        WAIT_UNTIL(ben->in && sees_the_truth());
        leave(ben);
        settle_core();
    }
}

static void test_a_client_id_that_was_asked_for_in_vain_is_not_kept(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 1, true);
    WAIT_UNTIL(held_back(CAP_USERS) == 1 && held_back(CAP_CLIENT_ID) == 1);
    leave(ann);
    settle_core();
    answer_all(CAP_USERS);
    settle_core();
    answer_all(CAP_CLIENT_ID);
    let_go();
    settle_core();
    lock();
    truth.places[1].client_id = 2; /* not every provider says so */
    unlock();
    enter(ben, 1);
    WAIT_UNTIL(sees_the_truth());
}

/* The same, with the users still being asked for: the server is remembered, but nothing keeps the id true. */
static void test_a_client_id_that_changed_while_nobody_watched(void **state)
{
    (void)state;
    enter(ann, 1);
    hold_back();
    change_in_silence(1);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    leave(ann);
    settle_core();
    set_client_id(1, 2);
    settle_core();
    join_number(ben, 1, true);
    settle_core();
    let_go();
    WAIT_UNTIL(ben->in && sees_the_truth());
}

/* The answer that the next one waits for is older than what has changed since. */
static void test_users_who_changed_while_nobody_watched(void **state)
{
    (void)state;
    enter(ann, 0);
    hold_back();
    change_in_silence(0);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    answer_held(0, false);
    leave(ann);
    settle_core();
    change_in_silence(0);
    settle_core();
    join_number(ben, 0, true);
    settle_core();
    let_go();
    WAIT_UNTIL(ben->in && sees_the_truth());
}

static size_t servers_known;

static void count_servers(void *core, void *arg)
{
    servers_known = ((struct core *)core)->server_count;
    set_flag(core, arg);
}

static size_t count_known(void)
{
    atomic_bool flag = false;
    core_call(stage.core, count_servers, &flag);
    WAIT_UNTIL(atomic_load(&flag));
    return servers_known;
}

/* Also one about which a swap was asking when its last viewer left and the old list dropped it. */
static void test_servers_that_have_gone_are_forgotten(void **state)
{
    (void)state;
    enter(ann, 1);
    enter(ben, 2);
    hold_back();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 2);
    leave(ann);
    lock();
    truth.places[1].listed = false;
    change_list();
    unlock();
    WAIT_UNTIL(held_back(CAP_SERVERS) >= 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(!stage.list[1].listed);
    let_go();
    WAIT_UNTIL(swaps_over() && sees_the_truth());
    WAIT_UNTIL(count_known() == PLACES - 1);
    leave(ben);
}

/* ------------------ meanwhile ----------------------------------------------------------------- */

/* The rows of an answer are put, then comes an event, then the answer's end. */
static void test_events_are_newer_than_rows(void **state)
{
    (void)state;
    enter(ann, 0);
    hold_back();
    change_in_silence(0);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    answer_held(0, false);
    change_status(0, 1);
    lock();
    truth.places[0].people[2].here = false;
    truth.places[0].people[4].here = true;
    emit_person(0, 2);
    emit_person(0, 4);
    unlock();
    settle_core();
    let_go();
    WAIT_UNTIL(sees_the_truth());
    settle_core();
    assert_true(sees_the_truth());
}

static void test_what_changes_after_the_rows_is_asked_for_again(void **state)
{
    (void)state;
    enter(ann, 0);
    hold_back();
    change_in_silence(0);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    answer_held(0, false);
    change_in_silence(0);
    settle_core();
    let_go();
    WAIT_UNTIL(sees_the_truth());
}

/* The same for the rows that a swap asks for: an event, and something that only another question can tell. */
static void test_what_changes_while_a_swap_asks(void **state)
{
    (void)state;
    enter(ann, 0);
    enter(ben, 2);
    hold_back();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 2);
    answer_held(0, false);
    answer_held(1, false);
    change_status(0, 1);
    change_in_silence(2);
    settle_core();
    let_go();
    WAIT_UNTIL(swaps_over() && sees_the_truth());
}

static void call_event(void *core, void *arg)
{
    world_apply_event(core, NULL, arg);
}

/* What the embedding program or the operator says counts like an event of whoever is asked, and there is
 * nobody who would say it again. */
static void test_what_is_said_from_outside_while_a_swap_asks(void **state)
{
    (void)state;
    struct world_event busy = { .kind = DBACK_EVENT_USER, .server = STR("1000") };
    struct world_event gone = { .kind = DBACK_EVENT_USER_GONE, .server = STR("1000") };
    enter(ann, 0);
    hold_back();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    answer_held(0, false);
    busy.user = (struct user_row){ .uid = STR("p1"), .status = DBACK_STATUS_DND };
    gone.user = (struct user_row){ .uid = STR("p2") };
    lock();
    truth.places[0].people[1].status = DBACK_STATUS_DND;
    truth.places[0].people[2].here = false;
    unlock();
    core_call(stage.core, call_event, &busy);
    core_call(stage.core, call_event, &gone);
    settle_core();
    let_go();
    WAIT_UNTIL(swaps_over() && sees_the_truth());
}

/* ------------------ who answers --------------------------------------------------------------- */

/* Every question goes to the first provider of the route, who passes. That takes no watcher away from the
 * second one, whose events would begin anew each time. */
static void test_being_asked_first_is_not_being_watched(void **state)
{
    (void)state;
    enter(ann, 1);
    WAIT_UNTIL(told_of(1, 1) == 1 && told_of(0, 1) == 0);
    settle_core();
    unsigned told = times_told();
    for (unsigned turn = 0; turn < 3; turn++) {
        unsigned before = asked(CAP_USERS);
        change_in_silence(1);
        WAIT_UNTIL(asked(CAP_USERS) == before + 2 && sees_the_truth());
    }
    settle_core();
    assert_int_equal(times_told(), told);
    leave(ann);
    WAIT_UNTIL(told_of(1, 1) == 0);
}

/* However often a provider says that something has changed. */
static void test_questions_keep_a_pause(void **state)
{
    (void)state;
    enter(ann, 0);
    unsigned lists = asked(CAP_SERVERS), users = asked(CAP_USERS);
    uint64_t began = now_ms();
    for (unsigned n = 0; n < 300; n++) {
        lock();
        truth.places[0].people[1].color++;
        truth.places[2].id = !truth.places[2].id;
        emit(DBACK_EVENT_USERS_CHANGED, 0, NULL, NULL);
        change_list();
        unlock();
        keep_up();
        nap();
    }
    WAIT_UNTIL(sees_the_truth());
    uint64_t pauses = (now_ms() - began) / ASK_PAUSE_MS;
    assert_in_range(asked(CAP_SERVERS) - lists, 1, pauses + 2);
    assert_in_range(asked(CAP_USERS) - users, 1, pauses + 2);
}

static void test_the_shortest_refresh_is_not_never(void **state)
{
    (void)state;
    begin_stage_with(1, 1000, 0.0004);
    enter(ann, 0);
    lock();
    truth.places[0].people[1].color = 77;
    unlock();
    WAIT_UNTIL(sees_the_truth());
    end_stage();
}

static void test_what_is_wrong_with_a_list_is_said_once(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 3; turn++) {
        lock();
        truth.list_doubles = true;
        truth.default_place = turn; /* so that one sees that the list has come */
        truth.places[turn].id = !truth.places[turn].id;
        change_list();
        unlock();
        WAIT_UNTIL(sees_the_truth());
    }
    unsigned lines = 0;
    char line[4096];
    FILE *log = fopen(getenv("DBACK_TEST_LOG") ? getenv("DBACK_TEST_LOG") : stage.log_file, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log))
        lines += strstr(line, "(id \"a3\", discord id \"1003\") left out") != NULL;
    fclose(log);
    assert_true(lines == 3); /* each list is another: its ids differ */
    lock();
    change_list();
    unlock();
    WAIT_UNTIL(asked(CAP_SERVERS) >= 5);
    settle_core();
    log = fopen(getenv("DBACK_TEST_LOG") ? getenv("DBACK_TEST_LOG") : stage.log_file, "r");
    assert_non_null(log);
    for (lines = 0; fgets(line, sizeof line, log);)
        lines += strstr(line, "(id \"a3\", discord id \"1003\") left out") != NULL;
    fclose(log);
    assert_true(lines == 3);
}

/* ------------------ a full inbox -------------------------------------------------------------- */

static void stay_busy(void *core, void *arg)
{
    (void)core;
    while (atomic_load((atomic_bool *)arg))
        nap();
}

/* The next message of person 0, as soon as there is room for it. */
static void talk_at_once(void)
{
    lock();
    struct source *source = truth.sources;
    char text[32];
    dback_user user = DBACK_USER_INIT;
    dback_event event = DBACK_EVENT_INIT;
    snprintf(text, sizeof text, "%u %u", source->number, ++source->said[0]);
    user.uid = dback_text("p0");
    event.kind = DBACK_EVENT_MESSAGE;
    event.server = dback_text("1000");
    event.user = &user;
    event.text = dback_text(text);
    while (source->host->emit(source->host, &event) == DBACK_BUSY)
        ;
    unlock();
}

/* One that comes while the core is at the last slice of a full inbox: its wake-up is the one that has brought
 * the core there. */
static void test_what_comes_at_the_end_of_a_slice_is_not_left(void **state)
{
    (void)state;
    join_number(ann, 0, true);
    WAIT_UNTIL(ann->in);
    for (unsigned turn = 1; turn <= 30; turn++) {
        atomic_bool busy = true;
        core_call(stage.core, stay_busy, &busy);
        for (unsigned i = 0; i < EVENTS_MAX; i++)
            talk_at_once();
        atomic_store(&busy, false);
        talk_at_once();
        WAIT_UNTIL(ann->number == turn * (EVENTS_MAX + 1));
    }
}

/* ------------------ who waits while the list changes ------------------------------------------ */

/* While questions are held back: something else about a server, and the core has been told. */
static void the_list_says(bool *what, bool value)
{
    lock();
    *what = value;
    change_list();
    unlock();
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
}

static void test_who_waits_for_a_server_that_goes_is_refused(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 1, true);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    the_list_says(&truth.places[1].listed, false);
    WAIT_UNTIL(!ann->asking);
    assert_true(!ann->in && ann->refused == REFUSE_NO_SERVER);
    WAIT_UNTIL(count_known() == PLACES - 1);
}

/* One has a good login, one a bad one, and when they asked, nobody needed any. */
static void test_who_waits_needs_the_login_that_is_asked_for_now(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 1, true);
    join_number(ben, 1, false);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    the_list_says(&truth.places[1].passworded, true);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 2);
    join_number(cyd, 1, true);
    let_go();
    WAIT_UNTIL(!ann->asking && !ben->asking && !cyd->asking);
    assert_true(ann->in && cyd->in && !ben->in);
    assert_int_equal(ben->refused, REFUSE_LOGIN_FAILED);
    WAIT_UNTIL(sees_the_truth());
}

static void test_who_waits_for_a_login_that_nobody_needs_any_more(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 3, false);
    join_number(ben, 3, true);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 2);
    the_list_says(&truth.places[3].passworded, false);
    WAIT_UNTIL(!stage.list[3].passworded);
    let_go();
    WAIT_UNTIL(ann->in && ben->in && sees_the_truth());
}

/* The other way round, and by a swap: the roster that they wait for comes with the list that keeps them out.
 */
static void test_a_swap_lets_nobody_in_whom_its_list_keeps_out(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 1, false);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    lock();
    truth.places[1].passworded = true;
    unlock();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 2);
    answer_held(held_back(CAP_COUNT) - 1, true); /* the new one's; the old one keeps thinking */
    WAIT_UNTIL(swaps_over());
    let_go();
    WAIT_UNTIL(!ann->asking);
    assert_false(ann->in);
    WAIT_UNTIL(sees_the_truth());
}

/* ------------------ logins that end ----------------------------------------------------------- */

static void end_of(const struct viewer *v)
{
    lock();
    end_login(v->serial, 3);
    unlock();
}

/* Waits for a frame in the log without taking the mail. */
static void see_a_frame(struct viewer *v)
{
    uint64_t since = now_ms();
    while (log_cursor_peek(&v->cursor).len == 0)
        assert_true(now_ms() - since < PATIENCE_MS);
}

static void test_a_login_that_ends_shows_out_whom_it_let_in(void **state)
{
    (void)state;
    join_number(ann, 3, true);
    join_number(ben, 3, true);
    join_number(cyd, 0, true); /* needs none, so it has none */
    WAIT_UNTIL(ann->in && ben->in && cyd->in);
    end_of(ann);
    end_of(cyd);
    lock();
    end_login(ben->serial, 0); /* somewhere else */
    truth.logins[ben->serial][3] = true;
    unlock();
    WAIT_UNTIL(ann->shown_out == 1);
    settle_core();
    assert_true(ben->in && cyd->in && !ann->in);
    join_number(ann, 3, true);
    WAIT_UNTIL(ann->in && sees_the_truth());
    end_of(ann);
    WAIT_UNTIL(ann->shown_out == 2);
    end_of(ann);
    settle_core();
    assert_true(ben->in && !ben->shown_out && ann->shown_out == 2);
}

static void test_a_login_that_ends_before_the_users_have_come(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 3, true);
    join_number(ben, 3, true);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 2);
    answer_all(CAP_VALIDATE);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    end_of(ann);
    WAIT_UNTIL(!ann->asking);
    assert_true(!ann->in && ann->refused == REFUSE_LOGIN_FAILED && ben->asking);
    end_of(ben);
    WAIT_UNTIL(!ben->asking);
    let_go();
    settle_core();
    assert_false(ben->in);
    WAIT_UNTIL(count_known() == PLACES && told_of(0, 3) == 0);
}

static void test_a_login_that_ends_while_a_newer_snapshot_is_asked_for(void **state)
{
    (void)state;
    join_number(ann, 3, true);
    WAIT_UNTIL(ann->in);
    for (unsigned turn = 0; turn < 20; turn++) {
        ask_for_snapshot(ann);
        end_of(ann);
        WAIT_UNTIL(ann->shown_out == turn + 1 && !ann->in && !ann->asking);
        join_number(ann, 3, true);
        WAIT_UNTIL(ann->in && !ann->asking && sees_the_truth());
    }
}

/* What a provider says that isn't in use yet counts when it is, and only then. */
static void test_a_login_that_ends_with_a_swap(void **state)
{
    (void)state;
    join_number(ann, 3, true);
    join_number(ben, 3, true);
    WAIT_UNTIL(ann->in && ben->in);
    for (unsigned turn = 0; turn < 2; turn++) {
        hold_back();
        begin_swap(0, false);
        WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
        lock();
        end_login_by(truth.sources, ann->serial, 3); /* the newest */
        truth.logins[ann->serial % LOGINS][3] = turn == 0;
        truth.refuse_users = turn == 0;
        unlock();
        settle_core();
        assert_true(ann->in);
        let_go();
        WAIT_UNTIL(swaps_over());
        settle_core();
        assert_int_equal(atomic_load(&stage.swaps_failed), 1);
        assert_int_equal(ann->shown_out, turn);
    }
    assert_true(ben->in && !ann->in);
    WAIT_UNTIL(sees_the_truth());
}

/* Nor are they shown the difference that comes with the switch. */
static void test_a_login_that_ends_with_a_swap_ends_before_it(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 20; turn++) {
        join_number(ann, 3, true);
        WAIT_UNTIL(ann->in && !ann->asking);
        hold_back();
        begin_swap(0, false);
        WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
        lock();
        truth.places[3].people[0].color++; /* only the new one knows */
        end_login_by(truth.sources, ann->serial, 3);
        unlock();
        let_go();
        see_a_frame(ann);
        assert_true(login_has_ended(ann->login));
        WAIT_UNTIL(swaps_over() && ann->shown_out == turn + 1);
    }
}

/* Before a frame can be seen that was published after a login's end, its end can. */
static void test_the_end_of_a_login_is_seen_before_what_comes_after_it(void **state)
{
    (void)state;
    join_number(ann, 3, true);
    WAIT_UNTIL(ann->in && sees_the_truth());
    for (unsigned turn = 0; turn < 50; turn++) {
        lock();
        end_login(ann->serial, 3);
        talk(3);
        unlock();
        see_a_frame(ann);
        assert_true(login_has_ended(ann->login)); /* whose mail hasn't been taken */
        WAIT_UNTIL(!ann->in);
        join_number(ann, 3, true);
        WAIT_UNTIL(ann->in && !ann->asking && sees_the_truth());
    }
}

static void test_many_who_wait_leave_in_any_order(void **state)
{
    (void)state;
    hold_back();
    for (unsigned turn = 0; turn < 60; turn++) {
        static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 1, 2, 0 } };
        const unsigned *order = orders[turn % ARRAY_LENGTH(orders)];
        for (unsigned i = 0; i < 3; i++)
            join_number(&stage.viewers[i], 0, true);
        for (unsigned i = 0; i < turn % 4; i++)
            leave(&stage.viewers[order[i]]);
        for (unsigned i = 0; i < 3; i++) {
            if (!stage.viewers[i].serial)
                join_number(&stage.viewers[i], 0, true);
        }
        settle_core();
        for (unsigned i = 0; i < 3; i++)
            leave(&stage.viewers[order[i]]);
    }
    join_number(ann, 0, true);
    let_go();
    WAIT_UNTIL(ann->in && sees_the_truth());
}

/* ------------------ swaps --------------------------------------------------------------------- */

static void stand_still(void *core, void *arg)
{
    atomic_bool *flags = arg;
    atomic_store(&flags[0], true);
    while (!atomic_load(&flags[1]))
        nap();
    (void)core;
}

/* The old provider's yes to a login lies in the core's inbox when the new one's list is there and the swap
 * has nothing to wait for: the viewer is let in, and then the swap needs the users that they are to be shown.
 */
static void test_a_login_accepted_at_the_last_moment(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 3, true);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 1);
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    atomic_bool flags[2] = { false, false };
    core_call(stage.core, stand_still, flags);
    WAIT_UNTIL(atomic_load(&flags[0]));
    let_go();
    atomic_store(&flags[1], true);
    WAIT_UNTIL(swaps_over() && !ann->asking);
    assert_true(ann->in);
    assert_int_equal(atomic_load(&stage.swaps_done), 1);
    WAIT_UNTIL(sees_the_truth());
}

/* The old provider's yes to a login comes when it has been replaced, and wouldn't be heard if the login
 * ended: the new one is asked. */
static void test_a_login_accepted_too_late(void **state)
{
    (void)state;
    hold_back();
    join_number(ann, 3, true);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 1);
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(swaps_over());
    answer_all(CAP_VALIDATE);
    WAIT_UNTIL(held_back(CAP_VALIDATE) == 1);
    settle_core();
    assert_true(ann->asking && held_back(CAP_USERS) == 0);
    let_go();
    WAIT_UNTIL(ann->in);
    end_of(ann);
    WAIT_UNTIL(ann->shown_out == 1);
}

static void test_a_roster_that_nobody_wants_any_more_fails_no_swap(void **state)
{
    (void)state;
    enter(ann, 1);
    hold_back();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    leave(ann);
    settle_core();
    lock();
    truth.refuse_users = true;
    unlock();
    answer_all(CAP_USERS);
    WAIT_UNTIL(swaps_over());
    assert_int_equal(atomic_load(&stage.swaps_done), 1);
    lock();
    truth.refuse_users = false;
    unlock();
    let_go();
    enter(ben, 1);
    WAIT_UNTIL(sees_the_truth());
}

static void test_a_roster_that_fails_fails_the_swap(void **state)
{
    (void)state;
    enter(ann, 1);
    hold_back();
    begin_swap(0, false);
    WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
    answer_all(CAP_SERVERS);
    WAIT_UNTIL(held_back(CAP_USERS) == 1);
    lock();
    truth.refuse_users = true;
    unlock();
    answer_all(CAP_USERS);
    WAIT_UNTIL(swaps_over());
    assert_int_equal(atomic_load(&stage.swaps_failed), 1);
    lock();
    truth.refuse_users = false;
    unlock();
    let_go();
    change_status(1, 1);
    WAIT_UNTIL(sees_the_truth());
}

/* Swaps that come one after the other while each is at another step, some of them wrong. */
static void test_swaps_are_overtaken_at_every_step(void **state)
{
    (void)state;
    enter(ann, 0);
    enter(ben, 1);
    for (unsigned step = 0; step < 12; step++) {
        hold_back();
        begin_swap(step % SLOTS, false);
        for (unsigned i = 0; i < step; i++) {
            change_status(i % 2, i % 3);
            answer_held(0, step & 1);
            settle_core();
        }
        begin_swap((step + 1) % SLOTS, step % 3 == 0);
        begin_swap(step % SLOTS, step % 5 == 0);
        change_status(0, 1);
        lock();
        talk(0);
        talk(1);
        unlock();
        let_go();
        WAIT_UNTIL(swaps_over() && sees_the_truth());
    }
}

/* ------------------ limits -------------------------------------------------------------------- */

/* Events can't make a roster larger than an answer may be, neither the one that is shown nor one that a swap
 * prepares. (While an answer is under way there may be both: its rows, and so many more.) */
static void test_events_respect_the_limit_of_users(void **state)
{
    (void)state;
    begin_stage_with(1, 2, -1);
    enter(ann, 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        hold_back();
        if (turn == 1) {
            begin_swap(0, false);
            WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
            answer_all(CAP_SERVERS);
            WAIT_UNTIL(held_back(CAP_USERS) == 1);
            answer_held(0, false); /* the rows, but not yet the end */
        }
        lock();
        for (unsigned who = 3; who < PEOPLE; who++) {
            truth.places[0].people[who].here = true;
            emit_person(0, who);
        }
        unlock();
        settle_core();
        let_go();
        WAIT_UNTIL(swaps_over());
        settle_core();
        keep_up();
        for (unsigned who = 0; who < PEOPLE; who++)
            assert_int_equal(ann->people[who].here, who < 2 || (turn == 1 && (who == 3 || who == 4)));
    }
    end_stage();
}

/* ------------------ lives --------------------------------------------------------------------- */

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void test_a_core_that_never_ran(void **state)
{
    (void)state;
    size_t descriptors = 0;
    for (unsigned i = 0; i < 3; i++) {
        set_stage(1, 10, -1);
        clear_stage();
        if (i == 0) /* libuv keeps some from its first loop on */
            descriptors = count_entries("/proc/self/fd");
    }
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

/* Stops at each step of a start, a join, a login, a refresh and a swap. */
static void test_fifty_lives_that_end_at_different_times(void **state)
{
    (void)state;
    size_t descriptors = 0;
    for (unsigned life = 0; life < 50; life++) {
        set_stage(1 + life % SLOTS, 1000, -1);
        truth.hold = life % 10 == 0;
        raise_curtain();
        if (truth.hold) {
            WAIT_UNTIL(held_back(CAP_SERVERS) == 1);
            end_stage();
            descriptors = descriptors ? descriptors : count_entries("/proc/self/fd");
            continue;
        }
        WAIT_UNTIL(atomic_load(&stage.opened) == 1);
        enter(ann, life % PLACES);
        hold_back();
        join_number(ben, (life + 1) % PLACES, true);
        join_number(cyd, 3, life & 1);
        change_in_silence(life % PLACES);
        if (life % 3 == 0)
            begin_swap(0, life % 9 == 0);
        if (life % 4 == 0)
            begin_swap(0, false);
        for (unsigned i = 0; i < life % 7; i++) {
            settle_core();
            answer_held(i % 2, life & 1);
        }
        end_stage();
    }
    /* "." and "..", this thread, and one that ThreadSanitizer has. The last ones may be seen for a moment
     * after they have been joined. */
    for (unsigned i = 0; count_entries("/proc/self/task") > 4 && i < 10000; i++)
        nap();
    assert_true(count_entries("/proc/self/task") <= 4);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, begin_one, end_it)
#define TWO(test) cmocka_unit_test_setup_teardown(test, begin_two, end_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(test_a_snapshot_from_before_is_not_shown),
        ONE(test_a_client_id_that_was_asked_for_in_vain_is_not_kept),
        ONE(test_a_client_id_that_changed_while_nobody_watched),
        ONE(test_users_who_changed_while_nobody_watched),
        ONE(test_servers_that_have_gone_are_forgotten),
        ONE(test_events_are_newer_than_rows),
        ONE(test_what_changes_after_the_rows_is_asked_for_again),
        ONE(test_what_changes_while_a_swap_asks),
        ONE(test_what_is_said_from_outside_while_a_swap_asks),
        TWO(test_being_asked_first_is_not_being_watched),
        ONE(test_questions_keep_a_pause),
        cmocka_unit_test(test_the_shortest_refresh_is_not_never),
        ONE(test_what_is_wrong_with_a_list_is_said_once),
        ONE(test_what_comes_at_the_end_of_a_slice_is_not_left),
        ONE(test_who_waits_for_a_server_that_goes_is_refused),
        ONE(test_who_waits_needs_the_login_that_is_asked_for_now),
        ONE(test_who_waits_for_a_login_that_nobody_needs_any_more),
        ONE(test_a_swap_lets_nobody_in_whom_its_list_keeps_out),
        ONE(test_a_login_that_ends_shows_out_whom_it_let_in),
        ONE(test_a_login_that_ends_before_the_users_have_come),
        ONE(test_a_login_that_ends_while_a_newer_snapshot_is_asked_for),
        ONE(test_a_login_that_ends_with_a_swap),
        ONE(test_a_login_that_ends_with_a_swap_ends_before_it),
        ONE(test_the_end_of_a_login_is_seen_before_what_comes_after_it),
        ONE(test_many_who_wait_leave_in_any_order),
        ONE(test_a_login_accepted_at_the_last_moment),
        ONE(test_a_login_accepted_too_late),
        ONE(test_a_roster_that_nobody_wants_any_more_fails_no_swap),
        ONE(test_a_roster_that_fails_fails_the_swap),
        TWO(test_swaps_are_overtaken_at_every_step),
        cmocka_unit_test(test_events_respect_the_limit_of_users),
        cmocka_unit_test(test_a_core_that_never_ran),
        cmocka_unit_test(test_fifty_lives_that_end_at_different_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
