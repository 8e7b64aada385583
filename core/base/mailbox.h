/* A mailbox: how threads send each other values. Any thread posts, one thread takes.
 *
 * Items carry a `struct mail` as their first member, so posting allocates nothing. The mutex is
 * held for a pointer swap only; taking empties the whole box at once. The wake-up (uv_async_send)
 * is sent only when the box was empty: a burst costs one.
 */
#ifndef DBACK_BASE_MAILBOX_H
#define DBACK_BASE_MAILBOX_H

#include "base/base.h"

#include <pthread.h>
#include <uv.h>

struct mail {
    struct mail *next;
};

struct mailbox {
    pthread_mutex_t mutex;
    struct mail *first, **last;
    uv_async_t *wake; /* of the owner's loop; NULL: nobody is woken (closed or polled) */
};

void mailbox_init(struct mailbox *box, uv_async_t *wake);
/* The box must be empty and no thread may post any more. */
void mailbox_finish(struct mailbox *box);
/* [any] Appends; order between posts of one thread is kept. */
void mailbox_post(struct mailbox *box, struct mail *mail);
/* [any] From now on posting wakes nobody: call before the owner closes its async handle. */
void mailbox_close(struct mailbox *box);
/* [owner] Everything that is there, oldest first, linked by `next`; NULL when empty. */
struct mail *mailbox_take(struct mailbox *box);

#endif
