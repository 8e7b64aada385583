/* Messages: each is sent once. See sqlite.h and deliveries.c.
 *
 * A message waits until somebody watches its server, but not longer than the option message_wait: what was
 * said while nobody was there is not what a newcomer wants to hear all at once. Nor is it sent before the
 * users of that moment were passed on: d-back doesn't hear somebody whom it doesn't know yet, and a program
 * may write both in one transaction. For that each watch has its `bound`.
 *
 * A batch is claimed, then emitted, then settled. What d-back is too busy to take stays in the batch, and
 * while there is one nothing else is claimed.
 */
#include "sqlite.h"

#include <inttypes.h>
#include <stdlib.h>

#define BATCHES_PER_TURN 8
#define RETRY_MS 1000
#define NEW_AT_A_TIME 5000 /* rows, in one look */
#define SETTLE_TRIES 25    /* of 20 ms each, at the end */
/* Whoever watches first is announced before it has its snapshot; what waited for it waits a little longer. */
#define FIRST_VIEWER_MS 100

int32_t outbox_init(struct outbox *outbox)
{
    outbox->batch = malloc(BATCH_MOST * sizeof *outbox->batch);
    outbox->seen = -1;
    return outbox->batch ? DBACK_OK : DBACK_FAILED;
}

void outbox_finish(struct outbox *outbox)
{
    free(outbox->batch);
}

/* ---------------------------------------------------------------- what is due -------------- */

static bool sends(const struct provider *provider)
{
    return provider->deliveries.handle != NULL;
}

static int last_message(struct database *database, int64_t *last)
{
    sqlite3_stmt *row;
    int result = database_statement(database, STATEMENT_LAST_MESSAGE, &row);
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(row);
    *last = result == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_reset(row);
    return result == SQLITE_ROW ? SQLITE_OK : result;
}

/* In a backup that was restored less may stand as sent than was. What is in it counts as sent. (The option
 * state's file isn't restored with it.) */
static int note_set_back(struct provider *provider, struct watch *watch)
{
    struct delivery at;
    if (watch->known < 0 || provider->deliveries.file)
        return SQLITE_OK;
    int result = deliveries_read(&provider->deliveries, provider->options.daemon, watch->server, &at);
    if (result == SQLITE_OK && at.sent < watch->known && watch->cutoff < provider->live.looked_at)
        watch->cutoff = provider->live.looked_at;
    return result;
}

/* Nobody knows what is new: nothing was looked at before, or the newest messages are gone. */
static int mark_all(struct provider *provider, int64_t last)
{
    for (size_t i = 0; i < provider->watches.count; i++) {
        struct watch *watch = &provider->watches.list[i];
        int result = note_set_back(provider, watch);
        if (result != SQLITE_OK)
            return result;
        watch->due = true;
        if (watch->bound > last)
            watch->bound = last;
        watch->known = -1;
    }
    return SQLITE_OK;
}

static int mark_new(struct provider *provider, int64_t last, enum progress *progress)
{
    struct outbox *outbox = &provider->outbox;
    sqlite3_stmt *row;
    int count = 0, result = database_statement(&provider->database, STATEMENT_NEW_MESSAGES, &row);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(row, 1, outbox->seen);
    sqlite3_bind_int64(row, 2, last);
    sqlite3_bind_int(row, 3, NEW_AT_A_TIME);
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        struct watch *watch = watches_find(&provider->watches, column_text(row, 1));
        if (watch)
            watch->due = true;
        outbox->seen = sqlite3_column_int64(row, 0);
        count++;
    }
    sqlite3_reset(row);
    if (count == NEW_AT_A_TIME)
        *progress = PROGRESS_MORE;
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int outbox_look(struct provider *provider, enum progress *progress)
{
    int64_t last;
    struct outbox *outbox = &provider->outbox;
    int result = sends(provider) ? last_message(&provider->database, &last) : SQLITE_OK;
    if (result != SQLITE_OK || !sends(provider))
        return result;
    if (outbox->seen < 0 || last < outbox->seen)
        result = mark_all(provider, last);
    else if (last > outbox->seen)
        result = mark_new(provider, last, progress);
    if (result != SQLITE_OK)
        return result;
    if (*progress == PROGRESS_DONE)
        outbox->seen = last;
    /* Users from a query are passed on when d-back asks for them again. */
    for (size_t i = 0; i < provider->watches.count && !provider->options.queries[SOURCE_USERS]; i++)
        provider->watches.list[i].bound = last;
    return SQLITE_OK;
}

int outbox_look_for(struct provider *provider, struct watch *watch)
{
    if (!sends(provider))
        return SQLITE_OK;
    int64_t last;
    int result = last_message(&provider->database, &last);
    if (result == SQLITE_OK && (watch->bound != last || !watch->answered)) {
        watch->bound = last;
        watch->due = true;
    }
    return result;
}

void outbox_watched(struct provider *provider, struct watch *watch, bool viewers)
{
    int64_t oldest = unix_seconds() - (int64_t)(provider->options.message_wait_ms / 1000);
    if (viewers && !watch->viewers) {
        watch->due = true;
        watch->ready_ms = now_ms() + FIRST_VIEWER_MS;
        if (watch->cutoff < oldest) /* what a restored backup made old stays old */
            watch->cutoff = oldest;
    }
    watch->viewers = viewers;
}

void outbox_look_anew(struct provider *provider)
{
    provider->outbox.seen = -1;
}

void outbox_forget(struct provider *provider, int64_t since)
{
    outbox_look_anew(provider);
    provider->outbox.unsettled = false; /* what is left of a batch is sent, but its claim is gone */
    for (size_t i = 0; i < provider->watches.count; i++) {
        struct watch *watch = &provider->watches.list[i];
        watch->known = -1;
        watch->bound = 0;
        if (since > watch->cutoff)
            watch->cutoff = since;
    }
}

/* ---------------------------------------------------------------- a batch ------------------ */

/* Appends the row, if it can be used. */
static void take_row(struct provider *provider, const struct watch *watch, sqlite3_stmt *row)
{
    struct outbox *outbox = &provider->outbox;
    struct message *message = &outbox->batch[outbox->count];
    dback_str uid = column_text(row, 1), channel = column_text(row, 2), text = column_text(row, 3);
    int64_t id = sqlite3_column_int64(row, 0);
    if (!text_is_id(uid, ID_LIMIT) || text.len == 0) {
        complain(&provider->say, COMPLAIN_ROW,
                 "message %" PRId64 " of server %s is left out: it has no usable %s", id, watch->server,
                 text.len ? "uid" : "text");
        return;
    }
    message->id = id;
    memcpy(message->uid, uid.ptr, uid.len);
    message->uid_len = uid.len;
    message->channel_len = text_clean(message->channel, sizeof message->channel, channel).len;
    message->text_len = text_clean(message->text, sizeof message->text, text).len;
    outbox->count++;
}

static int read_batch(struct provider *provider, const struct watch *watch, int64_t after)
{
    struct outbox *outbox = &provider->outbox;
    sqlite3_stmt *row;
    int result = database_statement(&provider->database, STATEMENT_MESSAGES, &row);
    if (result != SQLITE_OK)
        return result;
    outbox->count = outbox->next = 0;
    outbox->claimed = after;
    bind_text(row, 1, dback_text(watch->server));
    sqlite3_bind_int64(row, 2, after);
    sqlite3_bind_int64(row, 3, watch->bound);
    sqlite3_bind_int(row, 4, BATCH_MOST);
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        outbox->claimed = sqlite3_column_int64(row, 0);
        take_row(provider, watch, row);
    }
    sqlite3_reset(row);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Leaves out what is too old to be sent. */
static int skip_old(struct provider *provider, const struct watch *watch, int64_t *after)
{
    sqlite3_stmt *row;
    if (watch->cutoff == 0)
        return SQLITE_OK;
    int result = database_statement(&provider->database, STATEMENT_OLD_MESSAGE, &row);
    if (result != SQLITE_OK)
        return result;
    bind_text(row, 1, dback_text(watch->server));
    sqlite3_bind_int64(row, 2, *after);
    sqlite3_bind_int64(row, 3, watch->bound);
    sqlite3_bind_int64(row, 4, watch->cutoff);
    result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        *after = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Somebody else moved the number that only we should move. */
static void notice_twin(struct provider *provider, const struct watch *watch, int64_t sent)
{
    if (watch->known >= 0 && watch->known != sent)
        complain(&provider->say, COMPLAIN_TWIN,
                 "another d-back sends messages of server %s as \"%s\", so each message reaches the viewers "
                 "of one of them; give each its own name with the option daemon",
                 watch->server, provider->options.daemon);
}

/* More was sent than we know of. By an instance that has seen more; but if there are no such messages, their
 * numbers will be given out again: the table was emptied, or the database set back beside the file of the
 * option state. */
static int check_sent(struct provider *provider, int64_t *after)
{
    int64_t last;
    int result = last_message(&provider->database, &last);
    if (result == SQLITE_OK && *after > last)
        *after = last;
    return result;
}

/* Within the transaction: what is next becomes the batch, perhaps an empty one. */
static int claim(struct provider *provider, struct watch *watch)
{
    struct outbox *outbox = &provider->outbox;
    struct delivery at;
    int result = deliveries_read(&provider->deliveries, provider->options.daemon, watch->server, &at);
    outbox->count = outbox->next = 0;
    if (at.by_other) /* the instance that this one replaces, most likely: it is about to settle */
        watch->ready_ms = now_ms() + FIRST_VIEWER_MS;
    if (result != SQLITE_OK || at.by_other)
        return result;
    notice_twin(provider, watch, at.sent);
    int64_t after = at.claimed > at.sent ? at.claimed : at.sent;
    result = after > watch->bound ? check_sent(provider, &after) : SQLITE_OK;
    if (result == SQLITE_OK)
        result = skip_old(provider, watch, &after);
    if (result == SQLITE_OK)
        result = read_batch(provider, watch, after);
    if (result != SQLITE_OK)
        return result;
    bool nothing_to_send = outbox->count == 0;
    if (outbox->claimed != at.sent || at.claimed != at.sent)
        result = deliveries_claim(&provider->deliveries, provider->options.daemon, watch->server,
                                  nothing_to_send ? outbox->claimed : after, outbox->claimed);
    if (result != SQLITE_OK)
        return result;
    outbox->sent = after;
    watch->known = nothing_to_send ? outbox->claimed : -1;
    watch->cutoff = 0;
    watch->due = outbox->claimed > after; /* there may be more */
    return SQLITE_OK;
}

static int claim_next(struct provider *provider, struct watch *watch)
{
    struct outbox *outbox = &provider->outbox;
    int result = deliveries_begin(&provider->deliveries);
    if (result != SQLITE_OK)
        return result;
    result = claim(provider, watch);
    if (result != SQLITE_OK)
        deliveries_rollback(&provider->deliveries);
    else
        result = deliveries_commit(&provider->deliveries);
    if (result != SQLITE_OK) {
        outbox->count = outbox->next = 0;
        watch->due = true;
        watch->known = -1;
        return result;
    }
    memcpy(outbox->server, watch->server, sizeof outbox->server);
    outbox->unsettled = outbox->count > 0;
    return SQLITE_OK;
}

/* ---------------------------------------------------------------- sending ------------------ */

/* What is left of the batch. False: not all of it was taken. */
static bool emit_batch(struct provider *provider)
{
    struct outbox *outbox = &provider->outbox;
    for (; outbox->next < outbox->count; outbox->next++) {
        const struct message *message = &outbox->batch[outbox->next];
        dback_user user = DBACK_USER_INIT;
        user.uid = (dback_str){ message->uid, message->uid_len };
        dback_event event = DBACK_EVENT_INIT;
        event.kind = DBACK_EVENT_MESSAGE;
        event.server = dback_text(outbox->server);
        event.user = &user;
        event.channel = (dback_str){ message->channel, message->channel_len };
        event.text = (dback_str){ message->text, message->text_len };
        int32_t result = provider->host->emit(provider->host, &event);
        if (result == DBACK_LATE)
            provider->ended = true;
        if (result == DBACK_LATE || result == DBACK_BUSY)
            return false;
        outbox->sent = message->id;
    }
    if (outbox->unsettled)
        outbox->sent = outbox->claimed;
    return true;
}

static void note_success(struct provider *provider)
{
    provider->outbox.waiting_since_ms = 0;
    health_clear(&provider->health, AILMENT_MESSAGES);
}

/* Tells how far the batch got. Until that is written nothing else is claimed. */
static int settle(struct provider *provider)
{
    struct outbox *outbox = &provider->outbox;
    int result = deliveries_settle(&provider->deliveries, provider->options.daemon, outbox->server,
                                   outbox->claimed, outbox->sent);
    if (result != SQLITE_OK)
        return result;
    outbox->unsettled = false;
    note_success(provider);
    struct watch *watch = watches_find(&provider->watches, dback_text(outbox->server));
    if (watch)
        watch->known = outbox->sent;
    return SQLITE_OK;
}

static struct watch *next_due(struct provider *provider)
{
    struct watches *watches = &provider->watches;
    uint64_t now = now_ms();
    for (size_t i = 0; i < watches->count; i++) {
        size_t turn = (provider->outbox.turn + i) % watches->count;
        struct watch *watch = &watches->list[turn];
        if (watch->due && watch->viewers && watch->answered && watch->ready_ms <= now) {
            provider->outbox.turn = turn + 1;
            return watch;
        }
    }
    return NULL;
}

/* Locked for the moment, or more than that: reading goes on, and this is tried again. */
static enum progress postpone(struct provider *provider, int result)
{
    struct outbox *outbox = &provider->outbox;
    uint64_t now = now_ms();
    if (!outbox->waiting_since_ms)
        outbox->waiting_since_ms = now;
    if (!database_is_busy(result))
        outbox->retry_ms = now + RETRY_MS;
    else if (now - outbox->waiting_since_ms < BUSY_IS_LONG_MS)
        return PROGRESS_DONE;
    health_set(&provider->health, AILMENT_MESSAGES, DBACK_HEALTH_DEGRADED, "messages wait: %s: %s%s",
               provider->options.state ? provider->options.state : provider->options.database,
               sqlite3_errstr(result), database_advice(result));
    return PROGRESS_DONE;
}

enum progress outbox_work(struct provider *provider)
{
    struct outbox *outbox = &provider->outbox;
    for (int i = 0; i < BATCHES_PER_TURN; i++) {
        if (!emit_batch(provider))
            return provider->ended ? PROGRESS_DONE : PROGRESS_HOST_BUSY;
        if (!sends(provider) || outbox->seen < 0 || now_ms() < outbox->retry_ms)
            return PROGRESS_DONE;
        int result = outbox->unsettled ? settle(provider) : SQLITE_OK;
        if (result != SQLITE_OK)
            return postpone(provider, result);
        struct watch *watch = next_due(provider);
        if (!watch)
            return PROGRESS_DONE;
        result = claim_next(provider, watch);
        if (result != SQLITE_OK)
            return postpone(provider, result);
        note_success(provider);
    }
    return PROGRESS_MORE;
}

void outbox_end(struct provider *provider)
{
    struct outbox *outbox = &provider->outbox;
    int result = SQLITE_BUSY;
    for (int i = 0; i < SETTLE_TRIES && outbox->unsettled && sends(provider) && database_is_busy(result); i++)
        result = settle(provider);
    if (outbox->unsettled && outbox->next < outbox->count)
        say(&provider->say, DBACK_LOG_WARN,
            "%zu messages of server %s are lost: it can't be written that they weren't sent: %s",
            outbox->count - outbox->next, outbox->server, sqlite3_errstr(result));
    outbox->count = outbox->next = 0;
}
