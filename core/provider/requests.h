/* The open requests of one instance: what the core asked, what the provider has put so far, how each ends.
 *
 *   queued     asked; the provider's function hasn't run. A cancel takes it back without a trace.
 *   open       the function was called; put_*() adds to the answer, done() mails it to the core.
 *   cancelled  nobody waits any more, cancel() is still to be called on the provider's thread.
 *
 * A provider names a request by slot and generation, so what comes too late or twice finds nothing, is
 * counted and dropped. The table has a mutex of its own: the core asks, the provider's thread takes work, any
 * thread answers. MAIL_STARTED and MAIL_DONE are posted under it, so that none follows a cancel.
 */
#ifndef DBACK_PROVIDER_REQUESTS_H
#define DBACK_PROVIDER_REQUESTS_H

#include "provider/mail.h"
#include "provider/tally.h"

#define REQUESTS_MAX 16384

struct requests;

/* What the provider may put. Rows beyond a count are left out of the answer, and the others stand; an answer
 * whose rows don't fit into the bytes is a failure, because who isn't on it would be taken for gone. */
struct requests_limits {
    uint32_t servers, users; /* of one answer */
    size_t row_bytes;        /* of all open answers */
    size_t content_bytes;    /* for the web page, of all answers that exist, wherever they are */
};
struct requests *requests_create(struct outbox *outbox, struct tally *tally,
                                 const struct requests_limits *limits);
void requests_destroy(struct requests *requests);

/* [core] `number` is the core's own. -EAGAIN: too many; -ESHUTDOWN: closed. */
int requests_open(struct requests *requests, uint64_t number, const struct question *question);
/* [core] True: there is work for the thread. */
bool requests_cancel(struct requests *requests, uint64_t number);
/* [core] Cancels all; no new one. */
void requests_close(struct requests *requests);

/* What the instance's thread is to do next. */
struct request_work {
    bool cancel; /* call cancel(), else the capability's function */
    dback_request token;
    struct question question; /* its text lives until request_work_finish() */
    char *text;
};
/* [provider] False: nothing. A question's request is open from here on, and MAIL_STARTED is posted. */
bool requests_next(struct requests *requests, struct request_work *work);
void request_work_finish(struct request_work *work);

/* [any] For host.c; the values are checked and copied here. DBACK_OK, DBACK_LATE, DBACK_LIMIT, or
 * DBACK_INVALID: not what that request asked for. */
int32_t requests_put_server(struct requests *requests, dback_request token, const struct server_row *row);
int32_t requests_put_user(struct requests *requests, dback_request token, const struct user_row *row);
int32_t requests_put_login(struct requests *requests, dback_request token, struct str uid);
int32_t requests_put_client_id(struct requests *requests, dback_request token, struct str client_id);
int32_t requests_put_file(struct requests *requests, dback_request token, struct str path,
                          struct str content_type);
int32_t requests_put_bytes(struct requests *requests, dback_request token, struct str bytes,
                           struct str content_type);
/* [any] DBACK_OK or DBACK_LATE. */
int32_t requests_done(struct requests *requests, dback_request token, int32_t result, struct str why);

#endif
