/* Checks with hosts of other minor versions than the one that this tool is built for. They are the same small
 * host behind another front: one with more members than anybody knows, and one that ends where the struct
 * ended in the version that the provider says it can live with.
 */
#include "checks.h"

#include "lend.h"

#include <stdio.h>
#include <stdlib.h>

#define NEWER_MS 100

/* One life with this host in front, all of it asked and watched for so long. */
static void live_with(struct trial *trial, const struct plan *plan, struct life *life,
                      const dback_host *front, int ms)
{
    struct subject subject;
    struct known known;
    char error[1024];
    if (!subject_load(&subject, trial, plan))
        return;
    if (life_create(life, &subject, front, plan->options, error, sizeof error) < 0) {
        trial_fail(trial, CLAUSE_GROWTH, "with a host of %d.%u create() failed: %s", DBACK_ABI_MAJOR,
                   front->minor, *error ? error : "without a word");
        return;
    }
    subject_learn(life, &known);
    for (size_t i = 0; i < known.count; i++) {
        struct question q = { .what = MEMBER_USERS, .server = bytes_of(known.servers[i].discord_id) };
        check_answer_free(life_answer(life, &q));
        life_watch(life, known.servers[i].discord_id, 1);
    }
    life_run(life, ms);
    known_finish(&known);
    life_end(life);
    if (!trial_has_failed(trial))
        trial_sum_up(trial, "it lives with %d.%u", DBACK_ABI_MAJOR, front->minor);
}

void check_newer_host(struct trial *trial, const struct plan *plan)
{
    struct newer_host {
        dback_host base;
        void *later[4];
    } newer = { .base.size = 0 };
    struct life life = { .host = check_host_new(stdout, 1000) };
    newer.base = *check_host_interface(life.host);
    newer.base.size = (uint32_t)sizeof newer;
    newer.base.minor = DBACK_ABI_MINOR + 1;
    live_with(trial, plan, &life, lend_struct(&newer, sizeof newer), NEWER_MS);
}

/* How much of dback_host there was then. */
static size_t host_size(uint32_t minor)
{
    return minor < 1 ? offsetof(dback_host, report_health) : sizeof(dback_host);
}

void check_older_host(struct trial *trial, const struct plan *plan)
{
    const uint32_t oldest = plan->entry.need_minor;
    if (oldest >= DBACK_ABI_MINOR) {
        trial_skip(trial, "it says that it needs a host of %d.%u", DBACK_ABI_MAJOR, oldest);
        return;
    }
    struct life life = { .host = check_host_new(stdout, 1000) };
    dback_host older = *check_host_interface(life.host);
    older.size = (uint32_t)host_size(oldest);
    older.minor = oldest;
    /* As long as for `events`: each kind of them may be one that is too new. */
    live_with(trial, plan, &life, lend_struct(&older, older.size), plan->run_ms);
}
