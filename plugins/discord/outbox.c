/* See outbox.h. */
#include "outbox.h"

#include "rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 20
#define AT_A_TIME 4096
#define NEUTRAL 0x99aab5u

/* One event as it waits: what its texts point to is below. */
struct parcel {
    TAILQ_ENTRY(parcel) link;
    uint32_t kind, status, color;
    snowflake guild, user, channel;
    char text[]; /* a name, a message, a client id */
};

struct color_text outbox_color(uint32_t color)
{
    struct color_text t;
    snprintf(t.text, sizeof t.text, "#%06x", (unsigned)(color == NO_COLOR ? NEUTRAL : color & 0xffffff));
    return t;
}

static int32_t emit(struct outbox *outbox, const struct parcel *from, const char *text)
{
    const struct snowflake_text guild = snowflake_text(from->guild), uid = snowflake_text(from->user),
                                channel = snowflake_text(from->channel);
    const struct color_text color = outbox_color(from->color);
    dback_event event = DBACK_EVENT_INIT;
    dback_user user = DBACK_USER_INIT;
    event.kind = from->kind;
    event.server = dback_text(from->guild ? guild.text : "");
    user.uid = dback_text(uid.text);
    if (from->user)
        event.user = &user;
    if (from->kind == DBACK_EVENT_USER) {
        user.status = from->status;
        user.username = dback_text(text);
        user.role_color = dback_text(color.text);
    } else {
        event.text = dback_text(text);
    }
    if (from->channel)
        event.channel = dback_text(channel.text);
    return outbox->host->emit(outbox->host, &event);
}

/* ------------------ waiting ------------------------------------------------------------------- */

static void wake(struct outbox *outbox)
{
    if (!alarm_is_set(&outbox->retry))
        alarm_set(&outbox->retry, RETRY_MS, 0);
}

static void mark_stale(struct outbox *outbox, snowflake guild)
{
    if (table_find(&outbox->stale, guild))
        return;
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return;
    entry->id = guild;
    if (!table_add(&outbox->stale, entry))
        free(entry);
}

/* There is no room: what can be asked for again is, the rest is lost. */
static void let_go(struct outbox *outbox, const struct parcel *parcel)
{
    if (parcel->kind == DBACK_EVENT_MESSAGE)
        outbox->lost++;
    else if (parcel->guild)
        mark_stale(outbox, parcel->guild);
}

/* What can't be made good otherwise has room of its own. */
static size_t room_for(uint32_t kind)
{
    if (kind == DBACK_EVENT_LOGIN_ENDED)
        return OUTBOX_LOGINS_MAX;
    return kind == DBACK_EVENT_SERVERS_CHANGED || kind == DBACK_EVENT_CLIENT_ID ? 2 * OUTBOX_MAX : OUTBOX_MAX;
}

static void queue(struct outbox *outbox, const struct parcel *from, const char *text)
{
    size_t size = strlen(text) + 1;
    struct parcel *parcel = outbox->count < room_for(from->kind) ? malloc(sizeof *parcel + size) : NULL;
    if (!parcel) {
        let_go(outbox, from);
        wake(outbox);
        return;
    }
    *parcel = *from;
    memcpy(parcel->text, text, size);
    TAILQ_INSERT_TAIL(&outbox->waiting, parcel, link);
    outbox->count++;
    wake(outbox);
}

/* False: d-back's inbox is full. */
static bool drain_stale(struct outbox *outbox)
{
    struct entry *entry;
    for (size_t at = 0; (entry = table_next(&outbox->stale, &at)); at = 0) {
        const struct parcel parcel = { .kind = DBACK_EVENT_USERS_CHANGED, .guild = entry->id };
        if (emit(outbox, &parcel, "") == DBACK_BUSY)
            return false;
        free(table_remove(&outbox->stale, entry->id));
    }
    return true;
}

static void drain(void *arg)
{
    struct outbox *outbox = arg;
    struct parcel *parcel;
    for (int i = 0; i < AT_A_TIME && (parcel = TAILQ_FIRST(&outbox->waiting)); i++) {
        if (emit(outbox, parcel, parcel->text) == DBACK_BUSY)
            break;
        TAILQ_REMOVE(&outbox->waiting, parcel, link);
        outbox->count--;
        free(parcel);
    }
    if (outbox->count > 0 || !drain_stale(outbox)) {
        wake(outbox);
        return;
    }
    if (outbox->lost > 0)
        say(outbox->host, DBACK_LOG_WARN,
            "%" PRIu64 " messages were lost: d-back's inbox was full for too long", outbox->lost);
    outbox->lost = 0;
}

static void post(struct outbox *outbox, const struct parcel *parcel, const char *text)
{
    bool must_wait = outbox->count > 0 || outbox->stale.count > 0;
    if (must_wait || emit(outbox, parcel, text) == DBACK_BUSY)
        queue(outbox, parcel, text);
}

/* ------------------ events -------------------------------------------------------------------- */

void outbox_user(struct outbox *outbox, snowflake guild, const struct outbox_user *user)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_USER,
                                   .guild = guild,
                                   .user = user->id,
                                   .status = user->status,
                                   .color = user->color };
    post(outbox, &parcel, user->name);
}

void outbox_gone(struct outbox *outbox, snowflake guild, snowflake user)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_USER_GONE, .guild = guild, .user = user };
    post(outbox, &parcel, "");
}

void outbox_login_ended(struct outbox *outbox, snowflake guild, snowflake user)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_LOGIN_ENDED, .guild = guild, .user = user };
    if (outbox->host->minor >= 1)
        post(outbox, &parcel, "");
}

void outbox_message(struct outbox *outbox, snowflake guild, snowflake user, snowflake channel,
                    const char *text)
{
    const struct parcel parcel = {
        .kind = DBACK_EVENT_MESSAGE, .guild = guild, .user = user, .channel = channel
    };
    post(outbox, &parcel, text);
}

void outbox_client_id(struct outbox *outbox, snowflake guild, const char *client_id)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_CLIENT_ID, .guild = guild };
    post(outbox, &parcel, client_id);
}

void outbox_servers_changed(struct outbox *outbox)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_SERVERS_CHANGED };
    post(outbox, &parcel, "");
}

void outbox_users_changed(struct outbox *outbox, snowflake guild)
{
    const struct parcel parcel = { .kind = DBACK_EVENT_USERS_CHANGED, .guild = guild };
    post(outbox, &parcel, "");
}

/* ------------------ life ---------------------------------------------------------------------- */

void outbox_init(struct outbox *outbox, struct alarms *alarms)
{
    *outbox = (struct outbox){ .host = alarms->host };
    alarm_init(&outbox->retry, alarms, drain, outbox);
    TAILQ_INIT(&outbox->waiting);
    table_init(&outbox->stale, SIZE_MAX);
}

void outbox_finish(struct outbox *outbox)
{
    struct parcel *parcel;
    struct entry *entry;
    while ((parcel = TAILQ_FIRST(&outbox->waiting))) {
        TAILQ_REMOVE(&outbox->waiting, parcel, link);
        free(parcel);
    }
    for (size_t at = 0; (entry = table_next(&outbox->stale, &at));)
        free(entry);
    table_finish(&outbox->stale);
    alarm_stop(&outbox->retry);
}
