/* Who of a guild's members viewers are shown. See discord.h.
 *
 * Bots, and those whom the configuration ignores, never; who is offline not where that is configured; and not
 * more than max_users. When there is no more room, somebody online takes the place of somebody offline, so a
 * large community shows those who are there.
 */
#include "discord.h"

#include <stdlib.h>

static bool is_eligible(const struct discord *d, const struct guild *guild, const struct member *member)
{
    const struct guild_options *options = guild->options;
    return member->name && !(member->bot && options->ignore_bots) &&
           !(options->hide_offline && roster_status(d, member) == DBACK_STATUS_OFFLINE) &&
           !ids_has(&options->ignore_users, member->id);
}

uint32_t roster_status(const struct discord *d, const struct member *member)
{
    return member->status == DBACK_STATUS_UNKNOWN ? d->options.unknown_status : member->status;
}

/* ------------------ places -------------------------------------------------------------------- */

static void note_shown(const struct discord *d, struct guild *guild, struct member *member)
{
    if (member->shown_status == DBACK_STATUS_OFFLINE)
        guild->shown_offline--;
    member->shown_status = (uint8_t)roster_status(d, member);
    if (member->shown_status == DBACK_STATUS_OFFLINE)
        guild->shown_offline++;
    member->shown_color = guild_color_of(guild, member);
    member->renamed = false;
}

static bool show(const struct discord *d, struct guild *guild, struct member *member)
{
    if (guild->shown_count == guild->shown_capacity) {
        uint32_t capacity = guild->shown_capacity ? guild->shown_capacity * 2 : 64;
        struct member **larger = realloc(guild->shown, capacity * sizeof *larger);
        if (!larger)
            return false;
        guild->shown = larger;
        guild->shown_capacity = capacity;
    }
    guild->shown[guild->shown_count++] = member;
    member->shown_at = guild->shown_count;
    member->shown_status = 0;
    note_shown(d, guild, member);
    return true;
}

static void hide(struct guild *guild, struct member *member)
{
    struct member *last = guild->shown[guild->shown_count - 1];
    if (member->shown_status == DBACK_STATUS_OFFLINE)
        guild->shown_offline--;
    guild->shown[member->shown_at - 1] = last;
    last->shown_at = member->shown_at;
    guild->shown_count--;
    member->shown_at = 0;
}

static struct member *find_offline(struct guild *guild)
{
    for (uint32_t i = 0; i < guild->shown_count; i++) {
        guild->hand = (guild->hand + 1) % guild->shown_count;
        if (guild->shown[guild->hand]->shown_status == DBACK_STATUS_OFFLINE)
            return guild->shown[guild->hand];
    }
    return NULL;
}

/* ------------------ changes ------------------------------------------------------------------- */

static void tell(struct discord *d, const struct guild *guild, const struct member *member)
{
    const struct outbox_user user = { member->id, member->name, member->shown_status, member->shown_color };
    outbox_user(&d->outbox, guild->id, &user);
}

static void withdraw(struct discord *d, struct guild *guild, struct member *member)
{
    hide(guild, member);
    outbox_gone(&d->outbox, guild->id, member->id);
}

static void bring_on(struct discord *d, struct guild *guild, struct member *member)
{
    if (guild->shown_count >= guild->options->max_users) {
        if (roster_status(d, member) == DBACK_STATUS_OFFLINE || guild->shown_offline == 0)
            return;
        struct member *offline = find_offline(guild);
        if (!offline)
            return;
        withdraw(d, guild, offline);
    }
    if (show(d, guild, member))
        tell(d, guild, member);
}

void roster_update(struct discord *d, struct guild *guild, struct member *member)
{
    if (!guild->loaded)
        return;
    if (!is_eligible(d, guild, member)) {
        if (member->shown_at)
            withdraw(d, guild, member);
    } else if (!member->shown_at) {
        bring_on(d, guild, member);
    } else if (member->renamed || member->shown_status != roster_status(d, member) ||
               member->shown_color != guild_color_of(guild, member)) {
        note_shown(d, guild, member);
        tell(d, guild, member);
    }
}

void roster_update_all(struct discord *d, struct guild *guild)
{
    struct member *member;
    for (size_t at = 0; (member = table_next(&guild->members, &at));)
        roster_update(d, guild, member);
}

void roster_remove(struct discord *d, struct guild *guild, struct member *member)
{
    login_member_left(&d->login, guild, member->id);
    if (member->shown_at)
        withdraw(d, guild, member);
    table_remove(&guild->members, member->id);
    d->member_count--;
    member_free(member);
}

void roster_fill(struct discord *d, struct guild *guild)
{
    for (int pass = 0; pass < 2; pass++) { /* who is there comes first */
        struct member *member;
        for (size_t at = 0; (member = table_next(&guild->members, &at));) {
            bool offline = roster_status(d, member) == DBACK_STATUS_OFFLINE;
            if (guild->shown_count < guild->options->max_users && !member->shown_at &&
                offline == (pass == 1) && is_eligible(d, guild, member))
                show(d, guild, member);
        }
    }
}

bool roster_answer(const struct discord *d, const struct guild *guild, dback_request request)
{
    const dback_host *host = d->host;
    for (uint32_t i = 0; i < guild->shown_count; i++) {
        const struct member *member = guild->shown[i];
        const struct snowflake_text uid = snowflake_text(member->id);
        const struct color_text color = outbox_color(member->shown_color);
        dback_user row = DBACK_USER_INIT;
        row.status = member->shown_status;
        row.uid = dback_text(uid.text);
        row.username = dback_text(member->name);
        row.role_color = dback_text(color.text);
        int32_t result = host->put_user(host, request, &row);
        if (result == DBACK_LATE)
            return false;
        if (result == DBACK_LIMIT) {
            host->done(
                host, request, DBACK_FAILED,
                dback_text("more users than d-back takes: lower the option max_users or raise limits.users"));
            return false;
        }
    }
    return true;
}
