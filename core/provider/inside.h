/* An instance from the inside, shared by the files of this folder alone.
 *
 *   instance.c  what the core calls
 *   life.c      the instance's thread: load, create, work, quiesce, destroy, unload
 *   host.c      what the provider calls
 *
 * Locks: `mutex` guards what the core and the provider's threads share here; requests and outbox have their
 * own. Order: requests, outbox, inbox; `mutex` is never held while another is taken, nor while provider code
 * runs.
 */
#ifndef DBACK_PROVIDER_INSIDE_H
#define DBACK_PROVIDER_INSIDE_H

#include "provider/holds.h"
#include "provider/instance.h"
#include "provider/judge.h"
#include "provider/load.h"
#include "provider/loop.h"
#include "provider/mail.h"
#include "provider/requests.h"
#include "provider/tally.h"
#include "provider/voice.h"

#include <pthread.h>
#include <sys/queue.h>

/* A watched() that is still to be told; a newer count replaces an older one, so there is one per server at
 * most. */
struct watched {
    TAILQ_ENTRY(watched) link;
    uint32_t viewers;
    size_t len;
    char server[]; /* NUL-terminated, for the reason at question_copy() */
};

struct instance {
    /* Constant after instance_start(). */
    char *name, *file, *options, *runtime_dir;
    const dback_entry *entry; /* in-process; else NULL */
    dback_host host;

    struct outbox outbox;
    struct requests *requests;
    struct tally tally;
    struct voice voice;
    atomic_uint references; /* the core's and the thread's */

    /* Of the instance's thread; what the core reads of them is written before MAIL_CREATED. */
    struct image image;
    struct file_identity identity; /* of the file that was copied; for others after MAIL_CREATED */
    struct judged judged;
    void *self;
    pthread_t own_thread;
    bool created, quiesced;
    bool offers[CAP_COUNT], pushes;
    struct loop loop;
    uv_async_t wake; /* of that loop */

    pthread_mutex_t mutex; /* guards the rest */
    bool loop_alive;       /* `wake` may be sent */
    bool stopping, abandoned;
    bool draining;   /* quiesce() has returned: the end comes with the last hold */
    bool destroying; /* no hold is granted any more */
    char *copy;      /* the private copy's path, until it is unlinked */
    const char *busy_with;
    uint64_t busy_since_ms;
    struct holds holds;
    struct instance_health health;
    TAILQ_HEAD(, watched) watched;
    bool has_thread;
    pthread_t last_thread; /* the one to join: the instance's, until it hands over to one that unloads */
    bool last_is_known;    /* it won't change any more */
};

/* [core] life.c: starts the thread. 0, or a negative errno. */
int life_start(struct instance *instance);
/* [any] Has the thread look for work. */
void life_wake(struct instance *instance);
/* [any] What the thread is busy with, for instance_waiting_for(); NULL: nothing. */
void life_busy(struct instance *instance, const char *with);
/* [any] Unlinks the private copy, once. */
void life_unlink_copy(struct instance *instance);
/* [any] One reference less; the last one frees. */
void life_release(struct instance *instance);

/* host.c: what a provider is given. */
void host_fill(dback_host *host, struct instance *instance);

#endif
