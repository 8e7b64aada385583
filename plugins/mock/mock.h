/* The parts of the mock provider: its options, its world, and what happens in it.
 *
 * Everything belongs to one instance and is touched by that instance's thread alone.
 */
#ifndef DBACK_MOCK_H
#define DBACK_MOCK_H

#include <dback/provider.h>

#include <stdbool.h>

/* ---- options.c: what the `options` group of d-back.cfg says ---- */

struct options {
    uint64_t presence_ns, message_ns; /* time between two events of a watched server; 0: none */
    bool stamp_messages;              /* end each message with "@" and the time it was sent */
    bool generated;                   /* a made-up world of `servers` instead of the four */
    uint32_t servers, users_per_server;
};

/* Answers DBACK_OK, or DBACK_INVALID with a sentence in `error`. */
int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size);

/* ---- world.c: servers and users, and each user's status now ---- */

struct fixed_user {
    const char *username;
    uint32_t status;
    const char *role_color;
};

struct world_server {
    char discord_id[24], id[24], name[32];
    uint32_t flags;                 /* DBACK_SERVER_* */
    uint64_t first_uid;             /* user i has the uid first_uid + i */
    const struct fixed_user *fixed; /* NULL: the users are made up from their numbers */
    uint32_t user_count;
    uint8_t *status; /* DBACK_STATUS_* of each user; NULL until somebody asks */
};

struct world {
    struct world_server *servers;
    uint32_t server_count;
};

/* DBACK_OK, or DBACK_FAILED when memory is out. */
int32_t world_init(struct world *world, const struct options *options);
void world_finish(struct world *world);

/* NULL: no such server. */
struct world_server *world_find(const struct world *world, dback_str discord_id);

/* Makes `status` ready; to be called before the two functions below. False: memory is out. */
bool world_server_open(struct world_server *server);

/* The text that a user's row points to. */
struct user_text {
    char uid[24], username[40], role_color[8];
};
/* Fills in user number `index` as it is now; `text` must live as long as `user` is used. */
void world_user(const struct world_server *server, uint32_t index, struct user_text *text, dback_user *user);

/* ---- live.c: events on the servers that somebody watches ---- */

struct live_server; /* private */

struct live {
    const dback_host *host;
    const struct options *options;
    struct live_server *watched; /* room for every server of the world */
    uint32_t watched_count, next;
    int64_t timer; /* 0: none runs */
    uint64_t random;
    bool ended;
};

/* DBACK_OK, or DBACK_FAILED when memory is out. `host` and `options` must outlive it. */
int32_t live_init(struct live *live, const dback_host *host, const struct options *options,
                  const struct world *world);
void live_finish(struct live *live);

/* The server got its first viewer, or lost its last. Both may come twice. */
void live_watch(struct live *live, struct world_server *server);
void live_unwatch(struct live *live, const struct world_server *server);

/* No event any more. */
void live_end(struct live *live);

#endif
