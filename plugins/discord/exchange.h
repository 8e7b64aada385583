/* One HTTP request and its answer, read into memory with a limit. */
#ifndef DBACK_DISCORD_EXCHANGE_H
#define DBACK_DISCORD_EXCHANGE_H

#include "rate_limits.h"
#include "transfer.h"
#include "url.h"

struct exchange_setup {
    const struct url *base;
    const char *ca_file; /* "": the system's */
    const char *path;
    const char *scheme, *token; /* of the Authorization header; NULL: none */
};

struct exchange_result {
    int status;          /* 0: there is no answer, `failure` says why */
    const json_t *body;  /* NULL: none, or not JSON */
    const char *failure; /* in curl's words */
    struct limit_news limits;
};
typedef void (*exchange_callback)(void *arg, const struct exchange_result *result);

struct exchange {
    struct transfer transfer;
    struct curl_slist *headers;
    char *body;
    size_t len, capacity;
    bool too_long;
    char error[CURL_ERROR_SIZE];
    exchange_callback done;
    void *arg;
};

/* False: memory is out. `done` may free the exchange. */
bool exchange_start(struct exchange *exchange, struct transfers *transfers,
                    const struct exchange_setup *setup, exchange_callback done, void *arg);
void exchange_stop(struct exchange *exchange, struct transfers *transfers);

#endif
