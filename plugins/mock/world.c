/* The mock's world. See mock.h.
 *
 * Either the four servers that the d-zone demo has always shown, or a larger world whose every name follows
 * from its number: then only a status byte per user is kept, and only for servers that were asked for, so
 * that a world of millions costs nothing until somebody looks at it.
 */
#include "mock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONLINE DBACK_STATUS_ONLINE
#define IDLE DBACK_STATUS_IDLE
#define DND DBACK_STATUS_DND
#define OFFLINE DBACK_STATUS_OFFLINE

static const struct fixed_user dworld_users[] = {
    { "vegeta897", ONLINE, "#ff6b6b" },
    { "Cog-Creators", IDLE, "#4ecdc4" },
    { "d-zone-org", DND, "#45b7d1" },
    { "NNTin", ONLINE, "#96ceb4" },
};

static const struct fixed_user docs_users[] = {
    { "nntin.xyz/me", ONLINE, "#feca57" },
};

static const struct fixed_user oauth_users[] = {
    { "NNTin", ONLINE, "#ff9ff3" },
};

static const struct fixed_user repos_users[] = {
    { "me", ONLINE, "#54a0ff" },
    { "nntin.github.io", IDLE, "#5f27cd" },
    { "d-zone", ONLINE, "#00d2d3" },
    { "d-back", DND, "#ff6348" },
    { "d-cogs", ONLINE, "#ff4757" },
    { "Cubify-Reddit", OFFLINE, "#3742fa" },
    { "Dota-2-Emoticons", IDLE, "#2ed573" },
    { "Dota-2-Reddit-Flair-Mosaic", ONLINE, "#ffa502" },
    { "Red-kun", DND, "#ff3838" },
    { "Reply-Dota-2-Reddit", ONLINE, "#ff9f43" },
    { "Reply-LoL-Reddit", IDLE, "#0abde3" },
    { "crosku", ONLINE, "#006ba6" },
    { "dev-tracker-reddit", OFFLINE, "#8e44ad" },
    { "discord-logo", ONLINE, "#7289da" },
    { "discord-twitter-bot", IDLE, "#1da1f2" },
    { "discord-web-bridge", DND, "#2c2f33" },
    { "pasteindex", ONLINE, "#f39c12" },
    { "pasteview", IDLE, "#e74c3c" },
    { "shell-kun", ONLINE, "#1abc9c" },
    { "tracker-reddit-discord", OFFLINE, "#9b59b6" },
    { "twitter-backend", ONLINE, "#1da1f2" },
};

#define USERS(table) .fixed = (table), .user_count = sizeof(table) / sizeof((table)[0])

static const struct world_server the_four[] = {
    { "232769614004748288", "dworld", "D-World", DBACK_SERVER_DEFAULT, 123456789012345001u,
      USERS(dworld_users) },
    { "482241773318701056", "docs", "Docs (WIP)", 0, 223456789012345001u, USERS(docs_users) },
    { "123456789012345678", "oauth", "OAuth2 Protected Server", DBACK_SERVER_PASSWORDED, 323456789012345001u,
      USERS(oauth_users) },
    { "987654321098765432", "repos", "My Repos", 0, 423456789012345001u, USERS(repos_users) },
};

#define FOUR (sizeof the_four / sizeof the_four[0])

/* Spreads a number over all 64 bits (splitmix64), so that neighbours look nothing alike. */
static uint64_t spread(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void make_up_server(struct world_server *server, uint32_t index, uint32_t users)
{
    snprintf(server->discord_id, sizeof server->discord_id, "%" PRIu64, 600000000000000001u + index);
    snprintf(server->id, sizeof server->id, "server-%" PRIu32, index + 1);
    snprintf(server->name, sizeof server->name, "Server %" PRIu32, index + 1);
    server->flags = index == 0 ? DBACK_SERVER_DEFAULT : 0;
    server->first_uid = 700000000000000001u + (index + 1) * (uint64_t)1000000000000;
    server->user_count = users;
}

int32_t world_init(struct world *world, const struct options *options)
{
    world->server_count = options->generated ? options->servers : (uint32_t)FOUR;
    world->servers = calloc(world->server_count, sizeof *world->servers);
    if (!world->servers)
        return DBACK_FAILED;
    for (uint32_t i = 0; i < world->server_count; i++) {
        if (options->generated)
            make_up_server(&world->servers[i], i, options->users_per_server);
        else
            world->servers[i] = the_four[i];
    }
    return DBACK_OK;
}

void world_finish(struct world *world)
{
    for (uint32_t i = 0; i < world->server_count && world->servers; i++)
        free(world->servers[i].status);
    free(world->servers);
}

struct world_server *world_find(const struct world *world, dback_str discord_id)
{
    for (uint32_t i = 0; i < world->server_count; i++) {
        struct world_server *server = &world->servers[i];
        if (strlen(server->discord_id) == discord_id.len &&
            memcmp(server->discord_id, discord_id.ptr, discord_id.len) == 0)
            return server;
    }
    return NULL;
}

/* Of ten users five are online, two idle, one busy, two offline. */
static uint8_t made_up_status(uint64_t uid)
{
    static const uint8_t tenths[10] = { ONLINE, ONLINE, ONLINE, ONLINE,  ONLINE,
                                        IDLE,   IDLE,   DND,    OFFLINE, OFFLINE };
    return tenths[spread(uid) % 10];
}

bool world_server_open(struct world_server *server)
{
    if (server->status)
        return true;
    server->status = malloc(server->user_count ? server->user_count : 1);
    if (!server->status)
        return false;
    for (uint32_t i = 0; i < server->user_count; i++)
        server->status[i] =
            server->fixed ? (uint8_t)server->fixed[i].status : made_up_status(server->first_uid + i);
    return true;
}

static void make_up_text(uint64_t uid, uint32_t index, struct user_text *text)
{
    static const char *const first[16] = { "amber",  "brave", "calm",  "dusty", "eager", "fuzzy",
                                           "gentle", "happy", "icy",   "jolly", "keen",  "lively",
                                           "mellow", "noble", "quiet", "rusty" };
    static const char *const second[16] = { "badger", "cat",   "crane", "dolphin", "fox",  "gecko",
                                            "hare",   "koala", "lynx",  "mole",    "newt", "otter",
                                            "panda",  "raven", "tiger", "wolf" };
    uint64_t s = spread(uid ^ 0x6d6f636bu);
    snprintf(text->username, sizeof text->username, "%s-%s-%" PRIu32, first[s & 15], second[s >> 4 & 15],
             index + 1);
    /* each part at least 0x40: nobody is too dark to be seen */
    snprintf(text->role_color, sizeof text->role_color, "#%02x%02x%02x", (unsigned)(64 + (s >> 8) % 192),
             (unsigned)(64 + (s >> 24) % 192), (unsigned)(64 + (s >> 40) % 192));
}

void world_user(const struct world_server *server, uint32_t index, struct user_text *text, dback_user *user)
{
    uint64_t uid = server->first_uid + index;
    snprintf(text->uid, sizeof text->uid, "%" PRIu64, uid);
    if (server->fixed) {
        snprintf(text->username, sizeof text->username, "%s", server->fixed[index].username);
        snprintf(text->role_color, sizeof text->role_color, "%s", server->fixed[index].role_color);
    } else {
        make_up_text(uid, index, text);
    }
    *user = (dback_user)DBACK_USER_INIT;
    user->status = server->status[index];
    user->uid = dback_text(text->uid);
    user->username = dback_text(text->username);
    user->role_color = dback_text(text->role_color);
}
