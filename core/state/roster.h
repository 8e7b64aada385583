/* A roster: what the viewers of one server have been shown.
 *
 * Plugins differ: some push every change, some only answer "who is there now". The roster makes them equal. A
 * full answer is compared with it and becomes changes; an event is checked against it and completed. Pure
 * data: no I/O, no time, no threads. The order of users is the order in which they came.
 */
#ifndef DBACK_STATE_ROSTER_H
#define DBACK_STATE_ROSTER_H

#include "provider/instance.h"

#define DEFAULT_ROLE_COLOR "#99aab5"
/* So many departures are remembered while an answer is under way; of further ones the rows decide. */
#define ROSTER_DEPARTURES_MAX 262144

struct roster;

struct roster_user {
    struct str uid, username, role_color;
    uint32_t status; /* ONLINE to OFFLINE, never UNKNOWN */
};

/* One thing for the viewers to see, valid during the callback. The roster has already carried it out, and
 * nothing beyond it; the callback may read the roster but not change it. */
struct roster_change {
    const struct roster_user *user;
    bool gone;          /* delete */
    bool with_username; /* someone new: the presence carries the name (and the colour) */
    bool with_role_color;
};
typedef void (*roster_change_callback)(void *arg, const struct roster_change *change);

struct roster *roster_create(void);
void roster_destroy(struct roster *roster); /* NULL-safe */
size_t roster_count(const struct roster *roster);
/* NULL: not on it. Valid until the next change. */
const struct roster_user *roster_find(const struct roster *roster, struct str uid);
/* Grows with every change; equal versions mean an equal roster. */
uint64_t roster_version(const struct roster *roster);

/* An event "this user is here". 0: the roster is changed (or confirmed) and `emit` was called: once, or for a
 * rename of someone known twice, a delete and then the new one (who is the last to have come). -ENOENT:
 * someone new without a username; nothing happened, the provider has to be asked. An event that changes
 * nothing is passed on all the same (it's a fact that the provider wanted seen). `emit` may be NULL, here and
 * below. */
int roster_apply_user(struct roster *roster, const struct user_row *user, roster_change_callback emit,
                      void *arg);
/* An event "this user is gone". -ENOENT: wasn't on it, nothing happened (but it is remembered while an answer
 * is under way: rows that still list them are older). */
int roster_apply_gone(struct roster *roster, struct str uid, roster_change_callback emit, void *arg);

/* A full answer begins: from now on events are remembered, because they win over its rows. Begun again:
 * starts over. */
void roster_begin_answer(struct roster *roster);
/* The full answer is there: the roster becomes it, and `emit` gets the differences only (departures first,
 * then changes and arrivals in the answer's order; a rename is a delete and an arrival in a row). What events
 * have said since roster_begin_answer() stands: who has left is left out, who is here stays, and a row tells
 * of them only what no event did. Of two rows with one uid the last counts. UNKNOWN status, missing name or
 * colour keep what is shown; someone new gets offline, their uid as name, and the default colour. Not begun:
 * no event wins over it. */
void roster_apply_answer(struct roster *roster, const struct user_row *users, size_t count,
                         roster_change_callback emit, void *arg);
/* The answer won't come. */
void roster_abort_answer(struct roster *roster);

/* A swap: `emit` gets what turns `shown` into `candidate`, in the same manner; neither is changed. */
void roster_difference(const struct roster *shown, const struct roster *candidate,
                       roster_change_callback emit, void *arg);

/* Appends {"<uid>":{"uid":…,"username":…,"status":…,"roleColor":…},…}. */
void roster_write(const struct roster *roster, struct text_buffer *out);

/* "online", "idle", "dnd", "offline"; NULL for others. */
const char *status_name(uint32_t status);

#endif
