/* The gateway session: one connection after another that belong together.
 *
 * It opens a connection, keeps its heart beating, identifies or resumes, notices when the other side is only
 * a zombie, and passes on what is dispatched. What it does after each kind of end is Discord's rule: most
 * ends are resumed, some need a new session, a few are for good until the operator has changed something.
 */
#ifndef DBACK_DISCORD_GATEWAY_H
#define DBACK_DISCORD_GATEWAY_H

#include "rest.h"
#include "url.h"

#define INTENT_GUILDS (1u << 0)
#define INTENT_GUILD_MEMBERS (1u << 1)
#define INTENT_GUILD_PRESENCES (1u << 8)
#define INTENT_GUILD_MESSAGES (1u << 9)
#define INTENT_MESSAGE_CONTENT (1u << 15)
#define INTENTS_PRIVILEGED (INTENT_GUILD_MEMBERS | INTENT_GUILD_PRESENCES | INTENT_MESSAGE_CONTENT)

struct gateway;

enum gateway_end {
    GATEWAY_LOST,    /* it comes back by itself */
    GATEWAY_TOKEN,   /* Discord refuses the token */
    GATEWAY_INTENTS, /* Discord refuses the intents */
    GATEWAY_USELESS, /* it refuses for another reason that trying again doesn't change */
};

/* All from the loop. */
struct gateway_events {
    /* Op 0. READY too: before it every guild may be another, after it a session begins anew. */
    void (*dispatch)(void *arg, const char *type, const json_t *data);
    /* Events flow: a session has begun (after READY was dispatched) or was resumed. */
    void (*live)(void *arg, bool resumed);
    /* They don't any more, or couldn't; `why` is a sentence. Except for LOST it stays so until
     * gateway_start(). */
    void (*ended)(void *arg, enum gateway_end end, const char *why);
};

struct gateway_setup {
    struct alarms *alarms;
    struct rest *rest;
    const struct url *url; /* the configured one; NULL: Discord is asked */
    const char *ca_file;
    const struct gateway_events *events;
    void *arg;
};

/* NULL: memory is out, or the library can't be initialised. All in `setup` must outlive it. */
struct gateway *gateway_create(const struct gateway_setup *setup);
/* Says goodbye, so that Discord ends the session at once. */
void gateway_stop(struct gateway *gateway);
void gateway_destroy(struct gateway *gateway);

/* Begins a new session with this token and these intents, whatever was before. */
void gateway_start(struct gateway *gateway, const char *token, uint32_t intents);
bool gateway_is_live(const struct gateway *gateway);

/* Asks for all members of a guild (op 8). False: not now. */
bool gateway_ask_members(struct gateway *gateway, snowflake guild, bool presences, const char *nonce);

/* ---- close_code.c ---- */

enum close_kind { CLOSE_RESUME, CLOSE_NEW_SESSION, CLOSE_TOKEN, CLOSE_INTENTS, CLOSE_USELESS };
/* What to do after the gateway closed with `code` (0: without one), and the sentence that says what it means.
 */
enum close_kind close_code_judge(int code, const char **meaning);

#endif
