/* dback/dback.h - d-back as a library: the daemon's core inside another program.
 *
 *     dback_options options = { sizeof options };
 *     dback *server;
 *     char error[1024];
 *     if (dback_create(&server, &options, error, sizeof error) < 0 ||
 *         dback_register(server, "mine", &my_entry, "{}", error, sizeof error) < 0 ||
 *         dback_start(server, error, sizeof error) < 0) { fprintf(stderr, "%s\n", error); ... }
 *     dback_run(server);      until SIGINT or SIGTERM
 *     dback_destroy(server);
 *
 * THREADS. [app] create, register, start, stop, run, reload and destroy: one thread at a time, and none of
 * d-back's own. [any] the broadcasts between create and destroy, dback_port() between start and stop.
 * RESULTS are 0 or a negative errno; `error` then holds a sentence (several lines for a configuration with
 * several mistakes), cut to `error_size`. It may be NULL.
 */
#ifndef DBACK_DBACK_H
#define DBACK_DBACK_H

#include <dback/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dback dback;

/* What overrides d-back.cfg and the environment; NULL members: not given. Set `size` to sizeof the struct.
 * Relative paths begin at the current folder of the process, whenever the configuration is read. */
typedef struct dback_options {
    size_t size;
    const char
        *config_file; /* NULL: D_BACK_CONFIG, else the installed one, else built-in defaults (the mock) */
    const char *host, *port, *static_dir;
    /* Not 0: the operator's control socket (docs/operating.md) is there also when the configuration doesn't
     * name one, as with the daemon d-back. 0: only when it does. */
    int operated;
} dback_options;

/* "1.0.0" */
const char *dback_version(void);

/* [app] Reads and checks the configuration; starts nothing. -EINVAL: mistakes in it. */
int dback_create(dback **out, const dback_options *options, char *error, size_t error_size);

/* [app] A provider in this very process, before dback_start(): `entry` and its vtable must outlive the
 * server. Registered providers are asked before those of the configuration, on every route, in the order of
 * registration; with at least one of them and no configuration file the mock isn't loaded. */
int dback_register(dback *server, const char *name, const dback_entry *entry, const char *options_json,
                   char *error, size_t error_size);

/* [app] Binds, loads the providers, and returns when the first of them has told its servers (or failed to)
 * and viewers are let in. -EINTR: SIGINT or SIGTERM came first, which is no failure. After a failure nothing
 * is left running, and it may be tried again; after dback_stop() too. */
int dback_start(dback *server, char *error, size_t error_size);

/* [app] Closes every session with 1001, stops the providers, ends all threads. Never started: does nothing.
 */
void dback_stop(dback *server);

/* [app] After dback_start(): serves until SIGINT or SIGTERM, then stops. SIGHUP reloads, SIGUSR1 reopens the
 * log. 0 after a clean stop, -EINVAL when it isn't running. The four signals are blocked in the calling
 * thread from dback_create() on, so that none is lost. */
int dback_run(dback *server);

/* [app] Reads the configuration anew and swaps the providers that changed; viewers stay. Returns when it is
 * through: 0, or why nothing was changed. */
int dback_reload(dback *server, char *error, size_t error_size);

/* [any] The port that viewers connect to (the chosen one when 0 was configured); 0 when not started. */
uint16_t dback_port(const dback *server);

/* [any] To the viewers of `discord_id`. Taken and carried out on the core thread, in the order of the calls;
 * someone who isn't on the roster isn't heard. DBACK_OK, DBACK_INVALID (malformed, see provider.h),
 * DBACK_LATE (not started), or DBACK_BUSY (65536 wait to be carried out; nothing was taken, try again a
 * little later). */
int dback_broadcast_message(dback *server, const char *discord_id, const char *uid, const char *message,
                            const char *channel);
/* [any] `gone` 0: the user is here with these properties, else uid left. */
int dback_broadcast_presence(dback *server, const char *discord_id, const dback_user *user, int gone);
/* [any] */
int dback_broadcast_client_id(dback *server, const char *discord_id, const char *client_id);

/* [app] After a stop, or a start that failed: how many threads of providers didn't come back in time and still
 * run. With any, end the process by _exit(): exit() would take libraries (OpenSSL, say) down under their feet. */
unsigned dback_abandoned(const dback *server);

/* [app] Stops if need be, and frees. NULL-safe. */
void dback_destroy(dback *server);

#ifdef __cplusplus
}
#endif

#endif
