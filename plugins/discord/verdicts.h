/* What Discord has said of OAuth tokens, remembered by their SHA-256: the tokens themselves aren't kept.
 * Pure: the time, in seconds since 1970, comes from the caller.
 *
 * A yes is never kept longer than the token is valid, nor longer than five minutes: it may be revoked. */
#ifndef DBACK_DISCORD_VERDICTS_H
#define DBACK_DISCORD_VERDICTS_H

#include "base.h"

#define VERDICTS_MAX 4096
#define VERDICT_YES_S 300
#define VERDICT_NO_S 60

struct token_hash {
    unsigned char bytes[32];
};
struct token_hash token_hash_of(dback_str token);

struct verdict {
    struct token_hash hash;
    snowflake user;  /* whose token it is; 0: nobody's, or another application's */
    int64_t until_s; /* not valid any more from then on */
    uint64_t used;   /* a count: the lowest goes first */
};

struct verdicts {
    struct verdict *all;
    uint64_t uses;
};

bool verdicts_init(struct verdicts *verdicts);
void verdicts_finish(struct verdicts *verdicts);
/* True when it is known; `user` as above. */
bool verdicts_find(struct verdicts *verdicts, const struct token_hash *hash, int64_t now, snowflake *user);
/* `expires_s`: when the token does; counts for a yes. */
void verdicts_keep(struct verdicts *verdicts, const struct token_hash *hash, int64_t now, snowflake user,
                   int64_t expires_s);
/* Whatever was remembered of this user's tokens. */
void verdicts_forget(struct verdicts *verdicts, snowflake user);
void verdicts_forget_all(struct verdicts *verdicts);

#endif
