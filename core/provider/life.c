/* The life of an instance on its own thread. See instance.h for its order.
 *
 * The thread ends before its image is unloaded: what libraries left behind for the end of a thread
 * (destructors of thread-specific data) still finds its code. So the last steps are done by a small thread
 * that joins this one first.
 */
#include "provider/inside.h"
#include "provider/rows.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Requests in one go; timers and watches get their turn in between. */
#define WORK_PER_TURN 64

void life_wake(struct instance *instance)
{
    pthread_mutex_lock(&instance->mutex);
    if (instance->loop_alive)
        uv_async_send(&instance->wake);
    pthread_mutex_unlock(&instance->mutex);
}

void life_busy(struct instance *instance, const char *with)
{
    uint64_t now = now_ms();
    pthread_mutex_lock(&instance->mutex);
    instance->busy_with = with;
    instance->busy_since_ms = now;
    pthread_mutex_unlock(&instance->mutex);
}

static void on_loop_busy(void *arg, const char *with)
{
    life_busy(arg, with);
}

void life_unlink_copy(struct instance *instance)
{
    pthread_mutex_lock(&instance->mutex);
    if (instance->copy)
        unlink(instance->copy);
    free(instance->copy);
    instance->copy = NULL;
    pthread_mutex_unlock(&instance->mutex);
}

void life_release(struct instance *instance)
{
    if (atomic_fetch_sub(&instance->references, 1) > 1)
        return;
    struct watched *watched;
    while ((watched = TAILQ_FIRST(&instance->watched))) {
        TAILQ_REMOVE(&instance->watched, watched, link);
        free(watched);
    }
    requests_destroy(instance->requests);
    outbox_finish(&instance->outbox);
    voice_finish(&instance->voice);
    holds_finish(&instance->holds);
    pthread_mutex_destroy(&instance->mutex);
    free(instance->name);
    free(instance->file);
    free(instance->options);
    free(instance->runtime_dir);
    free(instance);
}

/* ------------------ the beginning ------------------------------------------------------------- */

static int load(struct instance *instance, char *err)
{
    if (!instance->file)
        return judge_entry("its entry", instance->entry, SIZE_MAX, &instance->judged, err);
    char *copy = NULL;
    int result =
        load_copy(instance->file, instance->runtime_dir, instance->name, &copy, &instance->identity, err);
    if (result < 0)
        return result;
    pthread_mutex_lock(&instance->mutex);
    instance->copy = xstrdup(copy);
    bool abandoned = instance->abandoned;
    pthread_mutex_unlock(&instance->mutex);
    if (abandoned) {
        life_unlink_copy(instance);
        result = fail(err, -ECANCELED, "%s was given up while it was being loaded", instance->file);
    } else {
        result = load_open(instance->file, copy, &instance->image, err);
    }
    free(copy);
    if (result < 0)
        return result;
    return judge_entry(instance->file, instance->image.entry, instance->image.entry_size, &instance->judged,
                       err);
}

static void publish_offers(struct instance *instance)
{
    const dback_vtable *vtable = &instance->judged.vtable;
    instance->offers[CAP_SERVERS] = vtable->servers != NULL;
    instance->offers[CAP_USERS] = vtable->users != NULL;
    instance->offers[CAP_VALIDATE] = vtable->validate != NULL;
    instance->offers[CAP_CLIENT_ID] = vtable->client_id != NULL;
    instance->offers[CAP_STATIC] = vtable->static_file != NULL;
    instance->pushes = (vtable->flags & DBACK_PROVIDER_PUSHES) != 0;
}

static int create(struct instance *instance, char *err)
{
    const char *what = instance->file ? instance->file : instance->name;
    char error[ERR_SIZE / 2] = "", readable[ERR_SIZE / 2];
    life_busy(instance, "create() running");
    int32_t result = instance->judged.vtable.create(
        &instance->host, (dback_str){ instance->options, strlen(instance->options) }, &instance->self, error,
        sizeof error);
    life_busy(instance, NULL);
    if (result == DBACK_OK) {
        instance->created = true;
        publish_offers(instance);
        return 0;
    }
    error[sizeof error - 1] = '\0';
    row_copy_readable(readable, sizeof readable, dback_text(error));
    if (readable[0])
        return fail(err, -EIO, "%s: %s", what, readable);
    return fail(
        err, -EIO,
        "%s: create() failed with %d and gave no reason; check the options of provider %s in d-back.cfg",
        what, (int)result, instance->name);
}

/* Loads and creates, and tells the core how it went. */
static void begin(struct instance *instance)
{
    char err[ERR_SIZE] = "";
    pthread_mutex_lock(&instance->mutex);
    bool stopping = instance->stopping;
    pthread_mutex_unlock(&instance->mutex);
    if (stopping)
        return;
    life_busy(instance, "loading its file");
    int result = load(instance, err);
    life_busy(instance, NULL);
    if (result == 0)
        result = create(instance, err);
    if (result < 0)
        loop_clear(&instance->loop); /* there is no instance that their callbacks could work on */
    outbox_post(&instance->outbox,
                mail_create(&(struct instance_mail){ .kind = MAIL_CREATED,
                                                     .result = result < 0 ? DBACK_FAILED : DBACK_OK,
                                                     .why = str_of(err) }));
}

/* ------------------ work ---------------------------------------------------------------------- */

static dback_str borrow(struct str s)
{
    return (dback_str){ s.ptr, s.len };
}

static void ask(struct instance *instance, const struct request_work *work)
{
    const dback_vtable *vtable = &instance->judged.vtable;
    const struct question *q = &work->question;
    void *self = instance->self;
    if (!instance->offers[q->capability]) {
        requests_done(instance->requests, work->token, DBACK_PASS, STR(""));
        return;
    }
    switch (q->capability) {
    case CAP_SERVERS:
        life_busy(instance, "servers() running");
        vtable->servers(self, work->token);
        break;
    case CAP_USERS:
        life_busy(instance, "users() running");
        vtable->users(self, work->token, borrow(q->server));
        break;
    case CAP_VALIDATE:
        life_busy(instance, "validate() running");
        vtable->validate(self, work->token,
                         &(dback_login){ .size = sizeof(dback_login),
                                         .server = borrow(q->server),
                                         .token = borrow(q->token),
                                         .user_json = borrow(q->user_json),
                                         .password = borrow(q->password),
                                         .peer = borrow(q->peer) });
        break;
    case CAP_CLIENT_ID:
        life_busy(instance, "client_id() running");
        vtable->client_id(self, work->token, borrow(q->server));
        break;
    case CAP_STATIC:
        life_busy(instance, "static_file() running");
        vtable->static_file(self, work->token, borrow(q->path));
        break;
    case CAP_COUNT:
        break;
    }
    life_busy(instance, NULL);
}

static bool work_on_requests(struct instance *instance)
{
    struct request_work work;
    for (int i = 0; i < WORK_PER_TURN; i++) {
        if (!requests_next(instance->requests, &work))
            return true;
        if (!work.cancel) {
            ask(instance, &work);
        } else if (instance->created && instance->judged.vtable.cancel) {
            life_busy(instance, "cancel() running");
            instance->judged.vtable.cancel(instance->self, work.token);
            life_busy(instance, NULL);
        }
        request_work_finish(&work);
    }
    return false;
}

static struct watched *take_watched(struct instance *instance)
{
    pthread_mutex_lock(&instance->mutex);
    struct watched *watched = TAILQ_FIRST(&instance->watched);
    if (watched)
        TAILQ_REMOVE(&instance->watched, watched, link);
    pthread_mutex_unlock(&instance->mutex);
    return watched;
}

static bool work_on_watched(struct instance *instance)
{
    struct watched *watched;
    for (int i = 0; i < WORK_PER_TURN; i++) {
        if (!(watched = take_watched(instance)))
            return true;
        if (instance->created && instance->judged.vtable.watched) {
            life_busy(instance, "watched() running");
            instance->judged.vtable.watched(instance->self, (dback_str){ watched->server, watched->len },
                                            watched->viewers);
            life_busy(instance, NULL);
        }
        free(watched);
    }
    return false;
}

/* ------------------ the end ------------------------------------------------------------------- */

static void quiesce_once(struct instance *instance)
{
    if (instance->quiesced)
        return;
    instance->quiesced = true;
    if (!instance->created || !instance->judged.vtable.quiesce)
        return;
    life_busy(instance, "quiesce() running");
    instance->judged.vtable.quiesce(instance->self);
    life_busy(instance, NULL);
}

static void on_wake(uv_async_t *handle)
{
    struct instance *instance = CONTAINER_OF(handle, struct instance, wake);
    bool idle = work_on_requests(instance);
    idle = work_on_watched(instance) && idle;
    if (!idle) {
        uv_async_send(handle);
        return;
    }
    pthread_mutex_lock(&instance->mutex);
    bool stopping = instance->stopping;
    pthread_mutex_unlock(&instance->mutex);
    if (!stopping)
        return;
    quiesce_once(instance);
    pthread_mutex_lock(&instance->mutex);
    instance->draining = true;
    if (holds_count(&instance->holds) == 0)
        instance->destroying = true;
    bool destroying = instance->destroying;
    pthread_mutex_unlock(&instance->mutex);
    if (destroying)
        uv_stop(&instance->loop.uv);
}

static void destroy(struct instance *instance)
{
    if (instance->created) {
        life_busy(instance, "destroy() running");
        instance->judged.vtable.destroy(instance->self);
        life_busy(instance, NULL);
    }
    loop_clear(&instance->loop);
    pthread_mutex_lock(&instance->mutex);
    instance->loop_alive = false;
    pthread_mutex_unlock(&instance->mutex);
    uv_close((uv_handle_t *)&instance->wake, NULL);
    loop_finish(&instance->loop);
}

static void unload(struct instance *instance)
{
    life_busy(instance, "unloading its file");
    load_close(&instance->image);
    life_busy(instance, NULL);
    life_unlink_copy(instance);
    outbox_post_last(&instance->outbox, mail_create(&(struct instance_mail){ .kind = MAIL_STOPPED }));
    life_release(instance);
}

static void *unload_after_thread(void *arg)
{
    struct instance *instance = arg;
    pthread_join(instance->own_thread, NULL);
    unload(instance);
    return NULL;
}

/* Hands over to the thread that unloads; without one (no more threads to be had) does it here and now. */
static void finish(struct instance *instance)
{
    pthread_t closer;
    pthread_mutex_lock(&instance->mutex);
    bool abandoned = instance->abandoned;
    int result = pthread_create(&closer, NULL, unload_after_thread, instance);
    if (result == 0)
        instance->last_thread = closer;
    instance->last_is_known = true;
    if (abandoned) /* nobody joins it */
        pthread_detach(instance->last_thread);
    pthread_mutex_unlock(&instance->mutex);
    if (result != 0)
        unload(instance);
}

static void *run(void *arg)
{
    struct instance *instance = arg;
    char name[16];
    snprintf(name, sizeof name, "p/%s", instance->name);
    pthread_setname_np(pthread_self(), name);
    instance->own_thread = pthread_self();
    begin(instance);
    uv_run(&instance->loop.uv, UV_RUN_DEFAULT);
    destroy(instance);
    finish(instance);
    return NULL;
}

int life_start(struct instance *instance)
{
    int result = loop_init(&instance->loop, on_loop_busy, instance);
    if (result < 0)
        return result;
    result = uv_async_init(&instance->loop.uv, &instance->wake, on_wake);
    if (result < 0) {
        loop_finish(&instance->loop);
        return result;
    }
    instance->loop_alive = true;
    /* Signals are the app's: a provider's thread must not be the one that takes them. */
    sigset_t before;
    block_signals(&before);
    atomic_fetch_add(&instance->references, 1);
    pthread_mutex_lock(&instance->mutex);
    result = -pthread_create(&instance->last_thread, NULL, run, instance);
    instance->has_thread = result == 0;
    pthread_mutex_unlock(&instance->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result < 0) {
        atomic_fetch_sub(&instance->references, 1);
        instance->loop_alive = false;
        uv_close((uv_handle_t *)&instance->wake, NULL);
        loop_finish(&instance->loop);
    }
    return result;
}
