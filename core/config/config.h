/* The configuration: what d-back.cfg, the environment and the command line say, checked.
 *
 * One table of keys (config/keys.c: name, type, range, default, live or restart, what it is for) drives
 * the reader, the checks, --check-config and the reference page. A `struct config` is plain,
 * immutable once read, and counted: the reader's result is handed from room to room.
 */
#ifndef DBACK_CONFIG_CONFIG_H
#define DBACK_CONFIG_CONFIG_H

#include "base/base.h"
#include "base/file_identity.h"
#include "base/log.h"
#include "base/text.h"

#include <netinet/in.h>

/* The capabilities of a provider that have a route. */
enum capability { CAP_SERVERS, CAP_USERS, CAP_VALIDATE, CAP_CLIENT_ID, CAP_STATIC, CAP_COUNT };
/* As in d-back.cfg: "servers", "users", "validate", "client_id", "static". */
extern const char *const capability_names[CAP_COUNT];

struct provider_config {
    char *name;           /* unique; 1 to 64 of [A-Za-z0-9_.-] */
    char *plugin;         /* as written: a name ("mock") or a path with a slash */
    char *file;           /* the shared object that it means */
    char *options;        /* JSON text of the options group; "{}" when absent */
    uint32_t deadline_ms; /* for each request */
    double refresh;       /* seconds between questions to a provider that doesn't push; 0: never */
    bool refresh_set;     /* refresh was written by the operator: it holds for one that pushes, too */
    bool next_on_error;   /* on_error = "next" */
    int line;             /* of the file, where its entry starts; 0: the built-in mock */
    char **origins;       /* private to config/: see struct config */
    /* Of the file that lay there when this was read. */
    struct file_identity identity;
};

struct network { /* of trusted_proxies; an IPv4 network is stored v4-mapped */
    struct in6_addr address;
    unsigned prefix; /* 0 to 128 */
};

struct config {
    char *file; /* absolute; NULL: none was read */
    char *host;
    uint16_t port;
    unsigned workers;
    char *static_dir;       /* absolute */
    bool static_dir_is_own; /* the operator named it: then the index redirects with socketURL */
    char *plugin_dir;
    bool http, announce_socket_url;
    bool watch_plugins;
    struct network *trusted_proxies;
    size_t trusted_proxy_count;
    struct {
        enum log_level level;
        enum log_format format;
        char *file; /* NULL: stderr */
    } log;
    struct {
        char *socket;           /* NULL: none */
        bool socket_is_default; /* nobody named it: where another d-back has it, this one goes without */
        char *listen;           /* "127.0.0.1:3001", "[::1]:3001"; NULL: none */
        char *token_file;       /* not NULL when `listen` isn't */
    } control;
    struct {
        uint32_t connections;               /* open at once, in all */
        uint32_t connections_per_address;   /* open at once from one; 0: any number, as with all of these */
        uint32_t handshakes_per_address;    /* requests that go on in a second, from one; more wait */
        uint32_t frames_per_viewer;         /* messages in a second from one viewer; read no faster */
        uint32_t joins_per_viewer;          /* connects in a second */
        uint32_t failed_logins_per_address; /* in a minute; then logins are refused unseen */
        uint32_t frame_size;                /* bytes of one incoming message; more closes with 1009 */
        uint32_t header_size;               /* bytes of a request's head; more answers 431 */
        uint32_t handshake_timeout_ms;      /* from accept to a complete head */
        uint32_t ping_interval;             /* seconds of silence before a ping; 0: never */
        uint32_t pong_timeout_ms;           /* for the answer to a ping */
        uint32_t log_size;                  /* bytes that a viewer may be behind on a server's frame log */
        uint32_t slow_client_timeout_ms;    /* a viewer whose socket takes no more for so long is closed */
        uint32_t servers;                   /* rows of one servers answer */
        uint32_t users;                     /* rows of one users answer */
        uint32_t events;                    /* waiting in one provider's inbox before it reads BUSY */
        uint32_t stop_timeout_ms;           /* how long closing sessions or quiescing a provider may take */
    } limits;
    struct provider_config *providers; /* in the order of the file */
    size_t provider_count;
    struct { /* per capability the providers to ask, as indices into providers, in order */
        size_t *order;
        size_t count;
    } routes[CAP_COUNT];
    unsigned references; /* atomic; use config_ref and config_unref */
    /* Private to config/, NULL is allowed: where each key's value came from, by the key's index in the
     * table ("/etc/d-back/d-back.cfg:12", "--port", "D_BACK_PORT"; NULL: its default), and where the list
     * of providers stands (NULL: nowhere). */
    char **origins, *providers_origin;
};

/* What the command line overrides; NULL: not given. */
struct config_overrides {
    const char *file, *host, *port, *static_dir;
};

/* [any] Reads d-back.cfg as the command line, the environment (D_BACK_CONFIG, D_BACK_HOST, D_BACK_PORT,
 * D_BACK_STATIC_DIR; an empty value counts as not given) and the defaults say. The file is the one that
 * was named, else the installed one if there is one and the binary isn't run from a build tree. Without
 * any file: the mock provider on localhost:3000; that entry's plugin file isn't looked for here, because an
 * embedding program that registers providers of its own doesn't load it. An empty list of
 * providers is allowed for the same reason.
 * 0 and `*out` (release with config_unref), or -EINVAL and every mistake in `mistakes`, one line
 * each: "FILE:LINE: what is wrong; what is allowed" ("--port: ..." or "D_BACK_PORT: ..." for those).
 * Never blocks on a FIFO or device, never reads more than a mebibyte, shows no value of `options`.
 * Not called config_read: libconfig exports a function of that name. */
int config_load(struct config **out, const struct config_overrides *overrides, struct text_buffer *mistakes);

/* [any] For whoever registers no provider of its own: -EINVAL and a mistake, as above, when the configuration
 * leaves nobody to ask which servers there are, because viewers would find none to join. Else 0. */
int config_check_servers(const struct config *config, struct text_buffer *mistakes);

/* [any] Counting. unref is NULL-safe. */
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* [any] The effective configuration, in d-back.cfg syntax, with comments that name each key's source and
 * whether a change takes effect on reload. Of `options` what looks like a secret is masked: by its name
 * (token, password, ...; print.c has the list), unless that ends in _file, and addresses with a login in
 * them. */
void config_print(const struct config *config, struct text_buffer *out);

/* [any] The same as JSON, for programs (docs/control-api.yaml, /v1/config). What needs a restart is in effect
 * as in `started`. */
void config_show(const struct config *config, const struct config *started, struct text_buffer *out);

/* [any] `*out`: a configuration like `from`, but for this one provider. -ESRCH: there is none of that name;
 * -EINVAL or -ENOENT: the plugin can't be used; with a sentence. */
struct config_change {
    const char *name;
    const char *plugin; /* NULL: as before; a name or an absolute path */
    const char
        *options; /* JSON text of an object that is merged over the options that are there; NULL: none */
    bool reset_options; /* first they are emptied */
};
int config_change_provider(struct config **out, const struct config *from, const struct config_change *change,
                           char *err);

/* [any] A copy in which each plugin's file is the one that lies there now. Goes to the disk. */
struct config *config_identify(const struct config *from);

/* [any] Where this binary finds its plugins and page: the build tree's when run from there
 * (build/bin/d-back -> build/plugins, build/page), else the prefix's that it stands in
 * (PREFIX/lib/d-back/plugins, PREFIX/share/d-back/page), else those of the prefix that it was configured
 * for. Caller frees. */
char *config_default_plugin_dir(void);
char *config_default_static_dir(void);

/* [any] Where d-back puts its control socket when nobody says, and where d-backctl looks for one; see
 * control_place.c. The paths are the caller's, each and the list (NULL-terminated), best first; the first one
 * is where a daemon of this user puts it. */
char **config_control_places(void);
void config_control_places_free(char **places); /* NULL-safe */

/* [any] The table of keys as the reference page's Markdown (docs/configuration.md is made of it and a
 * test compares). */
void config_document(struct text_buffer *out);

/* [any] Names, comma separated, of keys that differ between the two and need a restart to take effect
 * (host, port, workers, ...); "" when none. */
void config_restart_differences(const struct config *old, const struct config *changed,
                                struct text_buffer *out);

#endif
