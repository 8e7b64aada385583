/* The list of all members: asked from the gateway, in chunks. See discord.h.
 *
 * One request per guild in 30 seconds is what Discord allows, and a little over one a second in all leaves
 * room for heartbeats. Chunks may come in any order, twice, or not at all: then the guild is asked for again.
 * Who is in none of a complete set has left while we weren't looking.
 */
#include "discord.h"

#include <stdio.h>
#include <string.h>

#define TICK_MS 700
#define AGAIN_MS 31000

static void wake(struct discord *d, uint64_t ms)
{
    if (!alarm_is_set(&d->loader) && !d->ended)
        alarm_set(&d->loader, ms, 0);
}

static bool is_due(const struct guild *guild, uint64_t now)
{
    return guild->loading.wanted && (!guild->loading.asked_ms || now - guild->loading.asked_ms >= AGAIN_MS);
}

static void nonce_of(const struct guild *guild, char *out, size_t size)
{
    snprintf(out, size, "%u", guild->sweep);
}

static bool ask(struct discord *d, struct guild *guild, uint64_t now)
{
    char nonce[16];
    guild->sweep++;
    nonce_of(guild, nonce, sizeof nonce);
    bool presences = (d->application.intents & INTENT_GUILD_PRESENCES) != 0;
    if (!gateway_ask_members(d->gateway, guild->id, presences, nonce))
        return false;
    guild->loading.asked = true;
    guild->loading.asked_ms = now;
    guild->loading.count = guild->loading.seen = 0;
    memset(guild->loading.seen_bits, 0, sizeof guild->loading.seen_bits);
    return true;
}

/* One a tick; those that weren't asked for yet come first. */
void loader_tick(void *arg)
{
    struct discord *d = arg;
    struct guild *guild, *best = NULL;
    uint64_t now = clock_ms();
    bool wanted = false;
    if (!gateway_is_live(d->gateway))
        return; /* it goes on when it is */
    for (size_t at = 0; (guild = table_next(&d->guilds, &at));) {
        wanted = wanted || guild->loading.wanted;
        if (is_due(guild, now) && (!best || guild->loading.asked_ms < best->loading.asked_ms))
            best = guild;
    }
    if (best)
        ask(d, best, now);
    if (wanted)
        wake(d, TICK_MS);
}

void loader_want(struct discord *d, struct guild *guild)
{
    guild->loading.wanted = true;
    wake(d, 0);
}

void loader_go_on(struct discord *d)
{
    wake(d, 0);
}

void loader_complete(struct discord *d, struct guild *guild)
{
    struct member *member;
    bool again;
    guild->loading.wanted = guild->loading.asked = false;
    do { /* an entry may be removed only after a round */
        struct member *gone[256];
        size_t count = 0;
        for (size_t at = 0; count < 256 && (member = table_next(&guild->members, &at));)
            if (member->sweep != guild->sweep)
                gone[count++] = member;
        again = count == 256;
        while (count > 0)
            roster_remove(d, guild, gone[--count]);
    } while (again);
    if (!guild->loaded) {
        guild->loaded = true;
        roster_fill(d, guild);
    }
    answers_settle(d);
}

/* ------------------ chunks -------------------------------------------------------------------- */

static bool is_ours(const struct guild *guild, const json_t *data)
{
    const char *nonce = json_text(data, "nonce");
    char ours[16];
    nonce_of(guild, ours, sizeof ours);
    return guild->loading.asked && (!nonce || strcmp(nonce, ours) == 0);
}

/* Everybody in it first, and only then what of it is news. */
static void take_members(struct discord *d, struct guild *guild, const json_t *data)
{
    size_t i;
    json_t *one;
    discord_take_members(d, guild, data);
    json_array_foreach(json_object_get(data, "members"), i, one)
    {
        struct member *member =
            table_find(&guild->members, json_snowflake(json_object_get(one, "user"), "id"));
        if (member)
            roster_update(d, guild, member);
    }
}

/* True when it was the last one that was missing. */
static bool count_chunk(struct guild *guild, const json_t *data)
{
    json_int_t index = json_number(data, "chunk_index", 0), count = json_number(data, "chunk_count", 1);
    if (count < 1 || count > CHUNKS_MAX || index < 0 || index >= count)
        return false;
    uint64_t bit = UINT64_C(1) << (index % 64);
    uint64_t *bits = &guild->loading.seen_bits[index / 64];
    if (!(*bits & bit)) {
        *bits |= bit;
        guild->loading.seen++;
    }
    guild->loading.count = (uint32_t)count;
    return guild->loading.seen >= guild->loading.count;
}

void on_guild_members_chunk(struct discord *d, const json_t *data)
{
    struct guild *guild = discord_guild(d, json_snowflake(data, "guild_id"));
    if (!guild)
        return;
    bool ours = is_ours(guild, data);
    take_members(d, guild, data);
    if (ours && count_chunk(guild, data))
        loader_complete(d, guild);
}
