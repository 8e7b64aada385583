/* The way from an instance to the core: mail, and the gate through which all of it passes.
 *
 * Closing the gate is what makes instance_stop() and instance_abandon() sharp: once it is closed no event and
 * no answer reaches the inbox any more, whatever the provider's threads are doing at that moment.
 */
#ifndef DBACK_PROVIDER_MAIL_H
#define DBACK_PROVIDER_MAIL_H

#include "provider/instance.h"

#include <stdatomic.h>

/* A mail like `from`, its text copied into the same block. The answer is taken over. */
struct instance_mail *mail_create(const struct instance_mail *from);

struct outbox {
    pthread_mutex_t mutex;
    struct mailbox inbox; /* of the core */
    atomic_bool closed;
    atomic_bool paused;   /* no events just now */
    atomic_size_t events; /* in the inbox, or taken and not handled yet */
    size_t event_limit;
};

void outbox_init(struct outbox *outbox, uv_async_t *wake, size_t event_limit);
/* Frees what nobody took. */
void outbox_finish(struct outbox *outbox);
/* [any] From now on only outbox_post_last() gets through. */
void outbox_close(struct outbox *outbox);
/* [any] From now on, or no longer, events are answered DBACK_BUSY. Those that were taken before are in the
 * inbox when it returns. */
void outbox_pause(struct outbox *outbox, bool paused);
/* [any] Takes the mail. False: closed, it was dropped. */
bool outbox_post(struct outbox *outbox, struct instance_mail *mail);
/* [any] Would an event get through? DBACK_OK, DBACK_LATE or DBACK_BUSY: to be asked before it is copied. */
int32_t outbox_try(const struct outbox *outbox);
/* [any] Takes the mail, dropped unless DBACK_OK. */
int32_t outbox_post_event(struct outbox *outbox, struct instance_mail *mail);
/* [any] MAIL_STOPPED, through the closed gate. */
void outbox_post_last(struct outbox *outbox, struct instance_mail *mail);

#endif
