/* The control room's thread: its loop, its mail, its life. See control.h and inside.h. */
#include "control/inside.h"

#include "app/core.h"
#include "control/feed.h"
#include "edge/edge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* For the last answers to go out. */
#define END_TIMEOUT_MS 1000

bool control_call_core(struct control *control, void (*call)(void *core, void *arg), void *arg)
{
    pthread_mutex_lock(&control->mutex);
    bool open = !control->closed;
    if (open)
        core_call(control->core, call, arg);
    pthread_mutex_unlock(&control->mutex);
    return open;
}

bool control_reload(struct control *control, control_reloaded done, void *arg)
{
    pthread_mutex_lock(&control->mutex);
    bool open = !control->closed;
    if (open)
        control->reload(control->app, done, arg);
    pthread_mutex_unlock(&control->mutex);
    return open;
}

bool control_is_closed(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool closed = control->closed;
    pthread_mutex_unlock(&control->mutex);
    return closed;
}

/* ------------------ the end ------------------------------------------------------------------- */

static void close_loop(struct control *control)
{
    exchanges_stop(control);
    mailbox_close(&control->inbox);
    uv_close((uv_handle_t *)&control->wake, NULL);
    uv_close((uv_handle_t *)&control->tick, NULL);
}

/* The core has ended, so every question has come back; what is left are answers on their way out. */
static void begin_end(struct control *control)
{
    control->ending = true;
    control->end_deadline_ms = now_ms() + END_TIMEOUT_MS;
    pulse_end(&control->pulse);
    doors_close(control);
    exchanges_end(control);
}

static void take_mail(struct control *control)
{
    struct mail *next;
    for (struct mail *mail = mailbox_take(&control->inbox); mail; mail = next) {
        next = mail->next;
        inquiry_back(CONTAINER_OF(mail, struct inquiry, mail));
    }
}

static void progress(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool told = control->told_to_end;
    pthread_mutex_unlock(&control->mutex);
    if (told && !control->ending) {
        take_mail(control);
        begin_end(control);
    }
    if (control->ending && control->http &&
        (control->exchange_count == 0 || now_ms() >= control->end_deadline_ms))
        close_loop(control);
}

/* ------------------ the loop ------------------------------------------------------------------ */

static void on_wake(uv_async_t *async)
{
    struct control *control = async->data;
    take_mail(control);
    feeds_look(control);
    exchanges_run(control);
    progress(control);
}

static void on_tick(uv_timer_t *timer)
{
    struct control *control = timer->data;
    uint64_t now = now_ms();
    if (!control->ending)
        pulse_beat(&control->pulse, CONTROL_TICK_MS);
    doors_tick(control, now);
    exchanges_tick(control, now);
    progress(control);
}

static void *run(void *arg)
{
    struct control *control = arg;
    pthread_setname_np(pthread_self(), "control");
    uv_timer_start(&control->tick, on_tick, CONTROL_TICK_MS, CONTROL_TICK_MS);
    doors_start(control);
    uv_run(&control->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ------------------ life ---------------------------------------------------------------------- */

static void free_control(struct control *control)
{
    doors_finish(control);
    mailbox_finish(&control->inbox);
    pthread_mutex_destroy(&control->mutex);
    config_unref(control->config);
    free(control);
}

int control_create(struct control **out, const struct control_setup *setup, char *err)
{
    *out = NULL;
    struct control *control = xcalloc(1, sizeof *control);
    control->config = config_ref(setup->config);
    control->log = setup->log;
    control->core = setup->core;
    control->edge = setup->edge;
    control->version = setup->version;
    control->default_socket = setup->default_socket;
    control->doors[DOOR_SOCKET].fd = setup->inherited;
    control->reload = setup->reload;
    control->app = setup->app;
    control->started_ms = now_ms();
    clock_gettime(CLOCK_REALTIME, &control->started_at);
    pthread_mutex_init(&control->mutex, NULL);
    mailbox_init(&control->inbox, &control->wake);
    LIST_INIT(&control->exchanges);
    LIST_INIT(&control->feeds);
    int code = doors_open(control, err);
    if (code == 0 && control->doors[DOOR_SOCKET].fd < 0 && control->doors[DOOR_TCP].fd < 0)
        code = 1; /* nothing is wanted, or only the default socket, and that couldn't be had */
    if (code != 0) {
        free_control(control);
        return code < 0 ? code : 0;
    }
    *out = control;
    return 0;
}

int control_start(struct control *control)
{
    if (!control)
        return 0;
    uv_loop_init(&control->loop);
    uv_async_init(&control->loop, &control->wake, on_wake);
    uv_timer_init(&control->loop, &control->tick);
    control->wake.data = control->tick.data = control;
    pulse_beat(&control->pulse, CONTROL_TICK_MS); /* a thread that never gets so far is stuck, too */
    int code = exchanges_start(control) ? pthread_create(&control->thread, NULL, run, control) : ENOMEM;
    control->has_thread = code == 0;
    if (code) {
        close_loop(control);
        uv_run(&control->loop, UV_RUN_DEFAULT);
        uv_loop_close(&control->loop);
    }
    return -code;
}

uint64_t control_silence_ms(const struct control *control)
{
    return control ? pulse_silence_ms(&control->pulse) : 0;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    pthread_mutex_lock(&control->mutex);
    control->closed = true;
    pthread_mutex_unlock(&control->mutex);
}

void control_destroy(struct control *control)
{
    if (!control)
        return;
    if (control->has_thread) {
        pthread_mutex_lock(&control->mutex);
        control->closed = control->told_to_end = true;
        pthread_mutex_unlock(&control->mutex);
        uv_async_send(&control->wake);
        pthread_join(control->thread, NULL);
        uv_loop_close(&control->loop);
    }
    free_control(control);
}
