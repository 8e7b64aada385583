/* Checks of what a provider says without being asked: its events, and how it is. */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 50
#define TURN_MS 20

/* The uids that are on one server. */
struct roster {
    char **uids;
    size_t count;
};

static size_t find_uid(const struct roster *roster, const char *uid)
{
    size_t i = 0;
    while (i < roster->count && strcmp(roster->uids[i], uid) != 0)
        i++;
    return i;
}

static void add_uid(struct roster *roster, const char *uid)
{
    char **more = find_uid(roster, uid) < roster->count
                      ? NULL
                      : realloc(roster->uids, (roster->count + 1) * sizeof *more);
    if (!more)
        return;
    roster->uids = more;
    roster->uids[roster->count++] = strdup(uid);
}

static void remove_uid(struct roster *roster, const char *uid)
{
    size_t at = find_uid(roster, uid);
    if (at == roster->count)
        return;
    free(roster->uids[at]);
    roster->uids[at] = roster->uids[--roster->count];
}

static void empty(struct roster *roster)
{
    while (roster->count)
        free(roster->uids[--roster->count]);
    free(roster->uids);
    roster->uids = NULL;
}

struct scene {
    struct life *life;
    struct known known;
    struct roster rosters[PLAN_SERVERS];
    size_t seen, unheard, unnamed, elsewhere;
    size_t by_kind[DBACK_EVENT_LOGIN_ENDED + 1];
};

static void learn_roster(struct scene *scene, size_t index)
{
    struct check_answer *answer = life_answer(
        scene->life, &(struct question){ .what = MEMBER_USERS,
                                         .server = bytes_of(scene->known.servers[index].discord_id) });
    empty(&scene->rosters[index]);
    for (size_t i = 0; answer && i < answer->user_count; i++)
        add_uid(&scene->rosters[index], answer->users[i].uid);
    check_answer_free(answer);
}

static void show(const struct scene *scene, const struct check_event *event)
{
    static const char *const kinds[] = { "",          "message",         "user",          "user gone",
                                         "client id", "servers changed", "users changed", "login ended" };
    if (scene->seen < SHOWN)
        trial_note(scene->life->subject->trial,
                   "%s server=%s uid=%s name=\"%s\" status=%u channel=%s text=\"%.200s\"", kinds[event->kind],
                   event->server, event->user.uid, event->user.username, event->user.status, event->channel,
                   event->text);
}

static void take(struct scene *scene, const struct check_event *event)
{
    size_t i = 0;
    show(scene, event);
    scene->seen++;
    scene->by_kind[event->kind]++;
    if (event->kind == DBACK_EVENT_SERVERS_CHANGED)
        return;
    while (i < scene->known.count && strcmp(scene->known.servers[i].discord_id, event->server) != 0)
        i++;
    if (i == scene->known.count) {
        scene->elsewhere++;
        return;
    }
    struct roster *roster = &scene->rosters[i];
    bool there = find_uid(roster, event->user.uid) < roster->count;
    switch (event->kind) {
    case DBACK_EVENT_MESSAGE:
        scene->unheard += !there;
        break;
    case DBACK_EVENT_USER:
        scene->unnamed += !there && !*event->user.username;
        add_uid(roster, event->user.uid);
        break;
    case DBACK_EVENT_USER_GONE:
        remove_uid(roster, event->user.uid);
        break;
    case DBACK_EVENT_USERS_CHANGED:
        learn_roster(scene, i);
        break;
    default:
        break;
    }
}

static void take_all(struct scene *scene)
{
    struct check_event *event;
    while ((event = check_host_take_event(scene->life->host))) {
        take(scene, event);
        check_event_free(event);
    }
}

static void watch_all(struct scene *scene, uint32_t viewers)
{
    for (size_t i = 0; i < scene->known.count; i++)
        life_watch(scene->life, scene->known.servers[i].discord_id, viewers);
}

static void open_scene(struct scene *scene, struct life *life)
{
    *scene = (struct scene){ .life = life };
    subject_learn(life, &scene->known);
    for (size_t i = 0; life->subject->vtable.users && i < scene->known.count; i++)
        learn_roster(scene, i);
    watch_all(scene, 1);
}

static void close_scene(struct scene *scene)
{
    watch_all(scene, 0);
    life_run(scene->life, TURN_MS);
    for (size_t i = 0; i < scene->known.count; i++)
        empty(&scene->rosters[i]);
    known_finish(&scene->known);
}

static void judge_health(struct life *life)
{
    const struct check_health health = check_host_health(life->host);
    if (health.reports)
        trial_note(life->subject->trial, "its health is %s: %s", check_health_names[health.state],
                   health.text);
    if (health.odd)
        trial_warn(life->subject->trial, CLAUSE_HEALTH, "%s", health.odd);
}

static void events(struct life *life)
{
    struct trial *trial = life->subject->trial;
    struct scene scene;
    open_scene(&scene, life);
    for (int left = life->subject->plan->run_ms; left > 0; left -= TURN_MS) {
        life_run(life, TURN_MS);
        take_all(&scene);
    }
    if (scene.unheard)
        trial_warn(trial, CLAUSE_ROSTER,
                   "%zu messages are of somebody who isn't on the server's list, and are not shown",
                   scene.unheard);
    if (scene.unnamed)
        trial_warn(trial, CLAUSE_ROSTER,
                   "%zu users are new and come without a username: d-back has to ask users() again each time",
                   scene.unnamed);
    if (scene.elsewhere)
        trial_note(trial, "%zu events are of servers that it doesn't list", scene.elsewhere);
    trial_sum_up(trial, "%zu messages, %zu of users, %zu others in %.1f s",
                 scene.by_kind[DBACK_EVENT_MESSAGE],
                 scene.by_kind[DBACK_EVENT_USER] + scene.by_kind[DBACK_EVENT_USER_GONE],
                 scene.by_kind[DBACK_EVENT_CLIENT_ID] + scene.by_kind[DBACK_EVENT_SERVERS_CHANGED] +
                     scene.by_kind[DBACK_EVENT_USERS_CHANGED] + scene.by_kind[DBACK_EVENT_LOGIN_ENDED],
                 life->subject->plan->run_ms / 1000.0);
    judge_health(life);
    close_scene(&scene);
}

void check_events(struct trial *trial, const struct plan *plan)
{
    subject_live(trial, plan, events);
}

/* ------------------ busy ---------------------------------------------------------------------- */

/* One event fits in, and nobody takes it: all further ones are answered BUSY. */
void check_busy(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    struct life life = { .host = check_host_new(stdout, 1) };
    struct scene scene;
    if (!subject_load(&subject, trial, plan) || !life_begin(&life, &subject))
        return;
    open_scene(&scene, &life);
    life_run(&life, plan->run_ms);
    unsigned long long refused = check_host_count(life.host).busy;
    check_answer_free(life_answer(&life, &(struct question){ .what = MEMBER_SERVERS }));
    for (int left = refused ? plan->run_ms : 0; left > 0; left -= TURN_MS) {
        life_run(&life, TURN_MS);
        take_all(&scene);
    }
    if (refused)
        trial_sum_up(trial, "%llu refused, then %zu came through", refused, scene.seen);
    else
        trial_skip(trial, "it emitted less than two events in %.1f s; --run gives it longer",
                   plan->run_ms / 1000.0);
    close_scene(&scene);
    life_end(&life);
}
