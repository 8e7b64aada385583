/* What the `options` group of d-back.cfg says. README.md has the list.
 *
 * Secrets never stand in there: they are read from files, or from the environment.
 */
#ifndef DBACK_DISCORD_OPTIONS_H
#define DBACK_DISCORD_OPTIONS_H

#include "base.h"
#include "secret.h"
#include "url.h"

#define PATH_MAX_BYTES 4096
#define MESSAGE_LENGTH_MAX 2000 /* characters: in UTF-8 they fit into what a d-back message may have */

struct ids {
    snowflake *ids;
    size_t count;
};
bool ids_has(const struct ids *ids, snowflake id);

/* Of one guild. */
struct guild_options {
    snowflake guild;
    char id[65];                   /* "": an abbreviation of the guild's name */
    char alias[257];               /* shown in place of the guild's name; "": none */
    char password[SECRET_MAX + 1]; /* from password_file; "": none */
    bool is_default, passworded, hide_offline, ignore_bots, public_channels_only;
    struct ids ignore_users, ignore_channels, listen_channels;
    uint32_t max_users;
};

struct options {
    enum { MODE_GATEWAY, MODE_REST } mode;
    char token[SECRET_MAX + 1];
    char token_file[PATH_MAX_BYTES]; /* "": the token came from the environment */
    struct secret_mark token_mark;
    bool all_guilds;
    struct guild_options *guilds; /* in the configured order */
    size_t guild_count;
    struct guild_options common; /* for those that have no group of their own */
    char client_id[65];          /* "": asked from Discord */
    struct url api, gateway;
    bool has_gateway;
    char ca_file[PATH_MAX_BYTES]; /* "": the system's */
    uint32_t unknown_status;      /* DBACK_STATUS_*, for whoever Discord doesn't tell */
    uint32_t poll_s;
    uint32_t message_length;
    bool unchecked_application; /* a server without /oauth2/@me may say who somebody is by /users/@me */
};

/* DBACK_OK, or DBACK_INVALID with a sentence in `error`; options_finish() is needed after both. */
int32_t options_read(struct options *options, dback_str json, char *error, size_t error_size);
void options_finish(struct options *options);
/* The token's file is another one: read it. False: `error` says what is wrong, the old token stays. */
bool options_reread_token(struct options *options, char *error, size_t error_size);

/* What counts for this guild. NULL: it isn't ours. */
const struct guild_options *options_of_guild(const struct options *options, snowflake guild);

/* ---- guild_options.c ---- */

/* Where a reader is: for its sentences. */
struct option_reader {
    char *error;
    size_t size;
    const char *where; /* "", or " of guild 123" */
};
__attribute__((format(printf, 2, 3))) bool option_refuse(const struct option_reader *reader,
                                                         const char *format, ...);
bool option_flag(const struct option_reader *reader, const char *key, const json_t *value, bool *flag);
bool option_count(const struct option_reader *reader, const char *key, const json_t *value, uint32_t least,
                  uint32_t most, uint32_t *count);
bool option_text(const struct option_reader *reader, const char *key, const json_t *value, char *text,
                 size_t size);

/* One of the options that stand at the top as well as in a guild's group. `known` tells whether it was one.
 */
bool guild_option_common(const struct option_reader *reader, struct guild_options *guild, const char *key,
                         const json_t *value, bool *known);
/* An element of `guilds`: an id, or a group. `common` gives the defaults. */
bool guild_options_read(const struct option_reader *reader, struct guild_options *guild,
                        const struct guild_options *common, const json_t *value);
void guild_options_finish(struct guild_options *guild);

#endif
