/* The checks, in the order in which they run. Each runs in a process of its own (trial.h) and begins with
 * loading the provider, so that none can spoil the next.
 */
#ifndef DBACK_TOOL_CHECKS_H
#define DBACK_TOOL_CHECKS_H

#include "subject.h"

struct check {
    const char *name;
    const char *about;
    int needs; /* an enum member: without it there is nothing to check; -1: nothing */
    void (*run)(struct trial *trial, const struct plan *plan);
};
extern const struct check checks[];
extern const size_t check_count;

/* check_life.c */
void check_create(struct trial *trial, const struct plan *plan);
void check_options(struct trial *trial, const struct plan *plan);
void check_together(struct trial *trial, const struct plan *plan);
void check_cycles(struct trial *trial, const struct plan *plan);
void check_unload(struct trial *trial, const struct plan *plan);
/* check_answers.c */
void check_servers(struct trial *trial, const struct plan *plan);
void check_users(struct trial *trial, const struct plan *plan);
void check_client_id(struct trial *trial, const struct plan *plan);
void check_validate(struct trial *trial, const struct plan *plan);
void check_static_file(struct trial *trial, const struct plan *plan);
/* check_odd.c */
void check_strangers(struct trial *trial, const struct plan *plan);
void check_hostile(struct trial *trial, const struct plan *plan);
void check_stingy(struct trial *trial, const struct plan *plan);
/* check_events.c */
void check_events(struct trial *trial, const struct plan *plan);
void check_busy(struct trial *trial, const struct plan *plan);
/* check_versions.c */
void check_newer_host(struct trial *trial, const struct plan *plan);
void check_older_host(struct trial *trial, const struct plan *plan);
/* check_load.c */
void check_many(struct trial *trial, const struct plan *plan);
void check_late(struct trial *trial, const struct plan *plan);
void check_quiesce(struct trial *trial, const struct plan *plan);

#endif
