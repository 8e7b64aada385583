/* The control room: the operator's HTTP API, as the app sees it.
 *
 * It has a thread and listeners of its own, never the port of the viewers, so it answers when that one is
 * drowned. What it wants to know of the core or of a worker it asks them by message, as everybody does; what
 * concerns the health of the house it reads from their pulses, without asking anybody.
 *
 * LIFE. control_create() binds, control_start() begins to answer, while the providers are still being loaded
 * (`/readyz` says so). From control_close() on nothing reaches the core any more, and requests that need it
 * are answered 503; that comes before core_stop(). When the core and the workers have ended, every question
 * has come back, and control_destroy() ends the thread.
 */
#ifndef DBACK_CONTROL_CONTROL_H
#define DBACK_CONTROL_CONTROL_H

#include "config/config.h"

struct control;
struct core;
struct edge;

/* How a reload ended: err NULL and a summary, or the sentence why nothing was changed. */
typedef void (*control_reloaded)(void *arg, const char *err, const char *summary);

struct control_setup {
    struct config *config; /* counted; as the daemon was started */
    struct log *log;
    struct core *core;
    struct edge *edge;
    const char *version;
    bool default_socket; /* the socket also where the configuration doesn't name one */
    int inherited;       /* a unix socket that listens already, in place of all that; -1: none */
    /* [control] Reads the configuration anew, as SIGHUP does; `done` is called once, on any thread. */
    void (*reload)(void *app, control_reloaded done, void *arg);
    void *app;
};

/* [app] Takes the inherited socket, and binds what the configuration names. `*out` is NULL when that is
 * nothing. 0, or a negative errno and a sentence. Everything in `setup` but the configuration must outlive
 * the control room. */
int control_create(struct control **out, const struct control_setup *setup, char *err);
/* [app] After the core and the workers were started. 0, or a negative errno. NULL-safe, as the rest. */
int control_start(struct control *control);
/* [any] Milliseconds since its loop has turned. */
uint64_t control_silence_ms(const struct control *control);
/* [app] Before core_stop(). */
void control_close(struct control *control);
/* [app] After the core and the workers have ended (or never began). */
void control_destroy(struct control *control);

#endif
