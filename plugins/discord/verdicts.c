/* See verdicts.h. A hash is as good as a random number, so its first bytes are the place. */
#include "verdicts.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 8

struct token_hash token_hash_of(dback_str token)
{
    struct token_hash hash = { { 0 } };
    EVP_Digest(token.ptr, token.len, hash.bytes, NULL, EVP_sha256(), NULL);
    return hash;
}

static struct verdict *first_place(const struct verdicts *verdicts, const struct token_hash *hash)
{
    size_t n = (size_t)hash->bytes[0] << 16 | (size_t)hash->bytes[1] << 8 | hash->bytes[2];
    return verdicts->all + n % (VERDICTS_MAX / PLACES) * PLACES;
}

bool verdicts_init(struct verdicts *verdicts)
{
    verdicts->all = calloc(VERDICTS_MAX, sizeof *verdicts->all);
    return verdicts->all != NULL;
}

void verdicts_finish(struct verdicts *verdicts)
{
    free(verdicts->all);
    verdicts->all = NULL;
}

bool verdicts_find(struct verdicts *verdicts, const struct token_hash *hash, int64_t now, snowflake *user)
{
    struct verdict *v = first_place(verdicts, hash);
    for (int i = 0; i < PLACES; i++, v++) {
        if (v->until_s <= now || memcmp(&v->hash, hash, sizeof *hash) != 0)
            continue;
        v->used = ++verdicts->uses;
        *user = v->user;
        return true;
    }
    return false;
}

void verdicts_keep(struct verdicts *verdicts, const struct token_hash *hash, int64_t now, snowflake user,
                   int64_t expires_s)
{
    struct verdict *v = first_place(verdicts, hash), *place = v;
    for (int i = 0; i < PLACES; i++, v++) {
        if (memcmp(&v->hash, hash, sizeof *hash) == 0) {
            place = v;
            break;
        }
        if (v->used < place->used)
            place = v;
    }
    int64_t until = now + (user ? VERDICT_YES_S : VERDICT_NO_S);
    if (user && expires_s < until)
        until = expires_s;
    *place = (struct verdict){ *hash, user, until, ++verdicts->uses };
}

void verdicts_forget(struct verdicts *verdicts, snowflake user)
{
    for (struct verdict *v = verdicts->all; user && v < verdicts->all + VERDICTS_MAX; v++)
        if (v->user == user)
            *v = (struct verdict){ 0 };
}

void verdicts_forget_all(struct verdicts *verdicts)
{
    memset(verdicts->all, 0, VERDICTS_MAX * sizeof *verdicts->all);
}
