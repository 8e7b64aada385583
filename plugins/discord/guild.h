/* What is known of a guild: its roles, its channels, its members and how they are. Kept true by the gateway's
 * events, so that a question costs no request.
 *
 * Only data: who of the members viewers are shown is roster.h's affair.
 */
#ifndef DBACK_DISCORD_GUILD_H
#define DBACK_DISCORD_GUILD_H

#include "options.h"
#include "rules.h"
#include "table.h"

/* Discord's own limits are 250 roles, 500 channels and 1000 threads; somebody else's server may have others.
 */
#define GUILDS_MAX 2500
#define ROLES_MAX 1024
#define CHANNELS_MAX 16384
#define MEMBERS_MAX 1000000     /* of one guild */
#define ALL_MEMBERS_MAX 2000000 /* of all of them; one costs about 150 bytes */
#define MEMBER_ROLES_MAX 250
#define MEMBER_NAME_SIZE 257 /* what d-back takes, and a zero */
#define CHUNKS_MAX 4096

struct member {
    snowflake id;
    char *name; /* NULL: so far only a status is known */
    snowflake *roles;
    uint16_t role_count;
    uint8_t status; /* DBACK_STATUS_*; UNKNOWN: Discord doesn't tell */
    bool bot;
    uint32_t certain_s; /* since when it is certain that they are one; 0: not let in (recheck.c) */
    uint32_t sweep;     /* the loading that saw it last */

    /* What viewers are shown of it: roster.c. */
    uint32_t shown_at; /* its place in guild->shown, from 1; 0: it isn't */
    uint32_t shown_color;
    uint8_t shown_status;
    bool renamed; /* since then */
};

struct guild {
    snowflake id;
    const struct guild_options *options;
    char *name;       /* NULL: not told yet */
    bool awaited;     /* READY has named it, GUILD_CREATE hasn't come */
    bool unavailable; /* an outage on Discord's side */
    bool loaded;      /* the members are known: from here on their changes are events */
    bool watched;     /* it has viewers */
    struct table roles, channels, members;

    struct member **shown;
    uint32_t shown_count, shown_capacity;
    uint32_t shown_offline; /* of them */
    uint32_t hand;          /* where the search for somebody offline goes on */

    /* Loading of all members: loader.c. */
    struct {
        bool wanted, asked;
        uint64_t asked_ms; /* 0: never */
        uint32_t count, seen;
        uint64_t seen_bits[CHUNKS_MAX / 64];
    } loading;
    uint32_t sweep;

    uint64_t refused_until_ms; /* mode "rest": Discord said 403 or 404 */
    uint64_t polled_ms;
    bool refreshing; /* what is known is old, the next answer waits for the visit that is under way */
};

struct guild *guild_create(snowflake id, const struct guild_options *options);
void guild_free(struct guild *guild);

/* Takes the name of a guild object, cleaned. True when it is another one now. */
bool guild_set_name(struct guild *guild, const json_t *object);
const char *guild_shown_name(const struct guild *guild);

/* All at once, as an array; or one. */
void guild_set_roles(struct guild *guild, const json_t *roles);
void guild_set_role(struct guild *guild, const json_t *role);
void guild_remove_role(struct guild *guild, snowflake id);
void guild_set_channels(struct guild *guild, const json_t *channels, const json_t *threads);
void guild_set_channel(struct guild *guild, const json_t *channel);
void guild_remove_channel(struct guild *guild, snowflake id);

/* May what is said there be shown to viewers? */
bool guild_hears(const struct guild *guild, snowflake channel);
/* NULL: there is none, or viewers may not know of it. */
const char *guild_channel_name(const struct guild *guild, snowflake channel);
/* 0xrrggbb by Discord's rule; NO_COLOR: none. */
uint32_t guild_color_of(const struct guild *guild, const struct member *member);

/* ---- member.c ---- */

/* The name that people see: nick, else global name, else user name. `member` and `user` may be NULL or lack
 * anything. The length; 0: there is none. */
size_t member_name(const json_t *member, const json_t *user, char *out);
/* DBACK_STATUS_* of a presence; UNKNOWN: it has none. */
uint8_t member_status(const json_t *presence);

/* Takes what a member object and a user object say, and marks it as seen by the current sweep. A new one has
 * `status`. NULL: no id, too many, or memory is out. */
struct member *member_put(struct guild *guild, const json_t *member, const json_t *user, uint8_t status);
/* One of whom only the id is known, which no sweep has seen; an existing one stays as it is. NULL as above.
 */
struct member *member_put_id(struct guild *guild, snowflake id, uint8_t status);
void member_free(struct member *member);

#endif
