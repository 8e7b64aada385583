/* See roster.h.
 *
 * Members are one allocation each, in a list in the order in which they came and in a table by uid. Every
 * change is carried out before it is emitted, one after the other: at each callback the roster is exactly
 * what the viewers have been shown, this change included.
 */
#include "state/roster.h"

#include "state/text_table.h"

#include <errno.h>
#include <stdlib.h>

struct member {
    struct roster_user user; /* text in `text` */
    struct member *next, *previous;
    uint64_t touched; /* the answer that was under way when an event spoke of them */
    unsigned said;    /* and what it said: SAID_* */
    char text[];
};

enum { SAID_STATUS = 1, SAID_USERNAME = 2, SAID_ROLE_COLOR = 4 };

/* Someone of whom an event said "gone" while an answer is under way. */
struct departure {
    struct str uid;
    bool void_again; /* a later event said "here" */
    struct departure *next;
    char text[];
};

struct roster {
    struct text_table members; /* by user.uid */
    struct member *first, *last;
    uint64_t version;
    uint64_t answers, answering;  /* begun so far; the number of the one that is under way, 0 for none */
    struct text_table departures; /* by uid */
    struct departure *departed;
};

struct listener {
    roster_change_callback emit;
    void *arg;
};

const char *status_name(uint32_t status)
{
    static const char *const names[] = { NULL, "online", "idle", "dnd", "offline" };
    return status < ARRAY_LENGTH(names) ? names[status] : NULL;
}

/* ------------------ members ------------------------------------------------------------------- */

static struct str place(char **at, struct str text)
{
    struct str placed = { *at, text.len };
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return placed;
}

static struct member *create_member(const struct roster_user *user)
{
    struct member *m = xmalloc(sizeof *m + user->uid.len + user->username.len + user->role_color.len);
    char *at = m->text;
    m->user.uid = place(&at, user->uid);
    m->user.username = place(&at, user->username);
    m->user.role_color = place(&at, user->role_color);
    m->user.status = user->status;
    m->next = m->previous = NULL;
    m->touched = 0;
    m->said = 0;
    return m;
}

static struct member *find_member(const struct roster *roster, struct str uid)
{
    const struct str *found = text_table_find(&roster->members, uid);
    return found ? CONTAINER_OF(found, struct member, user.uid) : NULL;
}

/* Between two neighbours; NULL: the roster's end. */
static void link_member(struct roster *roster, struct member *m, struct member *previous, struct member *next)
{
    m->previous = previous;
    m->next = next;
    *(previous ? &previous->next : &roster->first) = m;
    *(next ? &next->previous : &roster->last) = m;
    text_table_put(&roster->members, &m->user.uid);
}

static void unlink_member(struct roster *roster, struct member *m)
{
    text_table_remove(&roster->members, m->user.uid);
    *(m->previous ? &m->previous->next : &roster->first) = m->next;
    *(m->next ? &m->next->previous : &roster->last) = m->previous;
}

/* ------------------ departures while an answer is under way ----------------------------------- */

static struct departure *find_departure(const struct roster *roster, struct str uid)
{
    const struct str *found = text_table_find(&roster->departures, uid);
    return found ? CONTAINER_OF(found, struct departure, uid) : NULL;
}

static void remember_departure(struct roster *roster, struct str uid)
{
    struct departure *d = find_departure(roster, uid);
    if (d) {
        d->void_again = false;
        return;
    }
    if (roster->departures.count >= ROSTER_DEPARTURES_MAX)
        return;
    d = xmalloc(sizeof *d + uid.len);
    char *at = d->text;
    d->uid = place(&at, uid);
    d->void_again = false;
    d->next = roster->departed;
    roster->departed = d;
    text_table_put(&roster->departures, &d->uid);
}

static void forget_departure(struct roster *roster, struct str uid)
{
    struct departure *d = find_departure(roster, uid);
    if (d)
        d->void_again = true;
}

static bool has_departed(const struct roster *roster, struct str uid)
{
    const struct departure *d = find_departure(roster, uid);
    return d && !d->void_again;
}

static void end_answer(struct roster *roster)
{
    roster->answering = 0;
    text_table_finish(&roster->departures);
    while (roster->departed) {
        struct departure *next = roster->departed->next;
        free(roster->departed);
        roster->departed = next;
    }
}

/* ------------------ the roster ---------------------------------------------------------------- */

struct roster *roster_create(void)
{
    struct roster *roster = xcalloc(1, sizeof *roster);
    text_table_init(&roster->members);
    text_table_init(&roster->departures);
    return roster;
}

void roster_destroy(struct roster *roster)
{
    if (!roster)
        return;
    end_answer(roster);
    for (struct member *m = roster->first, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    text_table_finish(&roster->members);
    free(roster);
}

size_t roster_count(const struct roster *roster)
{
    return roster->members.count;
}

const struct roster_user *roster_find(const struct roster *roster, struct str uid)
{
    const struct member *m = find_member(roster, uid);
    return m ? &m->user : NULL;
}

uint64_t roster_version(const struct roster *roster)
{
    return roster->version;
}

/* ------------------ changes ------------------------------------------------------------------- */

static void tell(const struct listener *to, const struct roster_user *user, bool with_username,
                 bool with_role_color)
{
    if (to->emit)
        to->emit(to->arg, &(struct roster_change){ .user = user,
                                                   .with_username = with_username,
                                                   .with_role_color = with_role_color });
}

static void tell_gone(const struct listener *to, const struct roster_user *user)
{
    if (to->emit)
        to->emit(to->arg, &(struct roster_change){ .user = user, .gone = true });
}

static void let_come(struct roster *roster, struct member *m, const struct listener *to)
{
    link_member(roster, m, roster->last, NULL);
    roster->version++;
    tell(to, &m->user, true, true);
}

static void let_go(struct roster *roster, struct member *m, const struct listener *to)
{
    unlink_member(roster, m);
    roster->version++;
    tell_gone(to, &m->user);
    free(m);
}

/* A row, completed by what is shown now (NULL: nothing, someone new). */
static struct roster_user complete(const struct user_row *row, const struct roster_user *shown)
{
    return (struct roster_user){
        .uid = row->uid,
        .username = row->username.len ? row->username
                    : shown           ? shown->username
                                      : row->uid,
        .role_color = row->role_color.len ? row->role_color
                      : shown             ? shown->role_color
                                          : STR(DEFAULT_ROLE_COLOR),
        .status = status_name(row->status) ? row->status
                  : shown                  ? shown->status
                                           : DBACK_STATUS_OFFLINE,
    };
}

/* Someone known under the same name. */
static struct member *update(struct roster *roster, struct member *m, const struct roster_user *user,
                             bool always, const struct listener *to)
{
    bool recolored = !str_equal(m->user.role_color, user->role_color);
    bool changed = recolored || m->user.status != user->status;
    if (recolored) {
        struct member *old = m;
        m = create_member(user);
        link_member(roster, m, old->previous, old->next);
        free(old);
    }
    m->user.status = user->status;
    roster->version += changed;
    if (changed || always)
        tell(to, &m->user, false, recolored);
    return m;
}

/* Makes the roster show what the row says; `always`: viewers are told even when that is nothing new. */
static struct member *apply_row(struct roster *roster, const struct user_row *row, bool always,
                                const struct listener *to)
{
    struct member *m = find_member(roster, row->uid);
    struct roster_user user = complete(row, m ? &m->user : NULL);
    if (m && str_equal(m->user.username, user.username))
        return update(roster, m, &user, always, to);
    struct member *new = create_member(&user);
    /* Viewers can't rename anyone: they see one go and another come. */
    if (m)
        let_go(roster, m, to);
    let_come(roster, new, to);
    return new;
}

/* An event has spoken of them since the answer began. */
static bool is_touched(const struct roster *roster, const struct member *m)
{
    return roster->answering && m->touched == roster->answering;
}

static unsigned said_of(const struct roster *roster, const struct member *m)
{
    return m && is_touched(roster, m) ? m->said : 0;
}

static unsigned said_by(const struct user_row *user)
{
    return (status_name(user->status) ? SAID_STATUS : 0u) | (user->username.len ? SAID_USERNAME : 0u) |
           (user->role_color.len ? SAID_ROLE_COLOR : 0u);
}

int roster_apply_user(struct roster *roster, const struct user_row *user, roster_change_callback emit,
                      void *arg)
{
    struct member *m = find_member(roster, user->uid);
    if (roster->answering)
        forget_departure(roster, user->uid);
    if (!user->username.len && !m)
        return -ENOENT;
    unsigned said = said_of(roster, m) | said_by(user);
    m = apply_row(roster, user, true, &(struct listener){ emit, arg });
    m->touched = roster->answering;
    m->said = said;
    return 0;
}

int roster_apply_gone(struct roster *roster, struct str uid, roster_change_callback emit, void *arg)
{
    if (roster->answering)
        remember_departure(roster, uid);
    struct member *m = find_member(roster, uid);
    if (!m)
        return -ENOENT;
    let_go(roster, m, &(struct listener){ emit, arg });
    return 0;
}

/* ------------------ full answers -------------------------------------------------------------- */

void roster_begin_answer(struct roster *roster)
{
    end_answer(roster);
    roster->answering = ++roster->answers;
}

void roster_abort_answer(struct roster *roster)
{
    end_answer(roster);
}

/* What is left of a row when an event, which is newer, has said this of them. */
static struct user_row unsaid(const struct user_row *row, unsigned said)
{
    struct user_row rest = *row;
    if (said & SAID_STATUS)
        rest.status = DBACK_STATUS_UNKNOWN;
    if (said & SAID_USERNAME)
        rest.username.len = 0;
    if (said & SAID_ROLE_COLOR)
        rest.role_color.len = 0;
    return rest;
}

void roster_apply_answer(struct roster *roster, const struct user_row *users, size_t count,
                         roster_change_callback emit, void *arg)
{
    struct listener to = { emit, arg };
    struct text_table rows; /* the last row of each uid */
    text_table_init(&rows);
    text_table_reserve(&rows, count);
    for (size_t i = 0; i < count; i++)
        text_table_put(&rows, &users[i].uid);
    for (struct member *m = roster->first, *next; m; m = next) {
        next = m->next;
        if (!is_touched(roster, m) && !text_table_find(&rows, m->user.uid))
            let_go(roster, m, &to);
    }
    text_table_reserve(&roster->members, rows.count);
    for (size_t i = 0; i < count; i++) {
        if (text_table_find(&rows, users[i].uid) != &users[i].uid || has_departed(roster, users[i].uid))
            continue;
        struct user_row rest = unsaid(&users[i], said_of(roster, find_member(roster, users[i].uid)));
        apply_row(roster, &rest, false, &to);
    }
    text_table_finish(&rows);
    end_answer(roster);
}

void roster_difference(const struct roster *shown, const struct roster *candidate,
                       roster_change_callback emit, void *arg)
{
    struct listener to = { emit, arg };
    for (const struct member *m = shown->first; m; m = m->next) {
        if (!find_member(candidate, m->user.uid))
            tell_gone(&to, &m->user);
    }
    for (const struct member *m = candidate->first; m; m = m->next) {
        const struct member *before = find_member(shown, m->user.uid);
        if (before && str_equal(before->user.username, m->user.username)) {
            bool recolored = !str_equal(before->user.role_color, m->user.role_color);
            if (recolored || before->user.status != m->user.status)
                tell(&to, &m->user, false, recolored);
            continue;
        }
        if (before)
            tell_gone(&to, &before->user);
        tell(&to, &m->user, true, true);
    }
}

/* ------------------ as JSON ------------------------------------------------------------------- */

void roster_write(const struct roster *roster, struct text_buffer *out)
{
    text_append_literal(out, "{");
    for (const struct member *m = roster->first; m; m = m->next) {
        if (m->previous)
            text_append_literal(out, ",");
        text_append_json(out, m->user.uid);
        text_append_literal(out, ":{\"uid\":");
        text_append_json(out, m->user.uid);
        text_append_literal(out, ",\"username\":");
        text_append_json(out, m->user.username);
        text_append_literal(out, ",\"status\":\"");
        text_append_str(out, str_of(status_name(m->user.status)));
        text_append_literal(out, "\",\"roleColor\":");
        text_append_json(out, m->user.role_color);
        text_append_literal(out, "}");
    }
    text_append_literal(out, "}");
}
