/* See exchange.h. */
#include "exchange.h"

#include "rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX (16u * 1024 * 1024)
#define FIRST_CAPACITY 16384
#define TIMEOUT_MS 20000L

/* ------------------ the request --------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t n = size * count;
    if (n > BODY_MAX - exchange->len) {
        exchange->too_long = true;
        return 0;
    }
    if (exchange->len + n > exchange->capacity) {
        size_t capacity = exchange->capacity ? exchange->capacity : FIRST_CAPACITY;
        while (capacity < exchange->len + n)
            capacity *= 2;
        char *larger = realloc(exchange->body, capacity);
        if (!larger)
            return 0;
        exchange->body = larger;
        exchange->capacity = capacity;
    }
    memcpy(exchange->body + exchange->len, bytes, n);
    exchange->len += n;
    return n;
}

static bool add_header(struct exchange *exchange, const char *name, const char *scheme, const char *token)
{
    char line[1200];
    snprintf(line, sizeof line, "%s: %s %s", name, scheme, token);
    struct curl_slist *longer = curl_slist_append(exchange->headers, line);
    explicit_bzero(line, sizeof line);
    if (longer)
        exchange->headers = longer;
    return longer != NULL;
}

static void free_headers(struct exchange *exchange)
{
    for (struct curl_slist *line = exchange->headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(exchange->headers);
    exchange->headers = NULL;
}

static CURL *prepare(struct exchange *exchange, const struct exchange_setup *setup)
{
    char authority[300], text[2048];
    url_authority(setup->base, authority, sizeof authority);
    int n = snprintf(text, sizeof text, "%s://%s%s%s", setup->base->tls ? "https" : "http", authority,
                     setup->base->path, setup->path);
    if (n < 0 || (size_t)n >= sizeof text ||
        (setup->scheme && !add_header(exchange, "Authorization", setup->scheme, setup->token)))
        return NULL;
    CURL *easy = transfers_easy();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, text);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, rest_user_agent());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
    if (*setup->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, setup->ca_file);
    return easy;
}

/* ------------------ the answer ---------------------------------------------------------------- */

static const char *header(CURL *easy, const char *name)
{
    struct curl_header *found;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : NULL;
}

/* A decimal number with a point whatever the locale; below 0: it isn't one. */
static double decimal(const char *text)
{
    double n = 0, digit = 1;
    if (!text || !*text || strspn(text, "0123456789.") != strlen(text))
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++)
            n += (*text - '0') * (digit /= 10);
    return n;
}

/* Of a 429: Discord's own body knows it best, a proxy's has only the header. */
static double retry_after(CURL *easy, const json_t *body)
{
    const json_t *told = json_object_get(body, "retry_after");
    double seconds = json_is_number(told) ? json_number_value(told) : decimal(header(easy, "Retry-After"));
    return seconds >= 0 ? seconds : 5;
}

static void read_limits(CURL *easy, int status, const json_t *body, struct limit_news *news)
{
    const char *bucket = header(easy, "X-RateLimit-Bucket"), *scope = header(easy, "X-RateLimit-Scope");
    double remaining = decimal(header(easy, "X-RateLimit-Remaining"));
    double reset = decimal(header(easy, "X-RateLimit-Reset-After"));
    if (bucket && strlen(bucket) < sizeof news->bucket)
        strcpy(news->bucket, bucket);
    news->told = remaining >= 0 && reset >= 0;
    news->remaining = remaining < 1e6 ? (int64_t)remaining : 1000000;
    news->reset_after_s = reset;
    if (status != 429)
        return;
    news->refused = true;
    news->global = json_flag(body, "global") || header(easy, "X-RateLimit-Global") != NULL ||
                   (scope && strcasecmp(scope, "global") == 0);
    news->shared = scope && strcasecmp(scope, "shared") == 0;
    news->retry_after_s = retry_after(easy, body);
}

static void on_done(void *arg, CURL *easy, CURLcode code)
{
    struct exchange *exchange = arg;
    struct exchange_result result = { 0 };
    long status = 0;
    json_t *body = NULL;
    if (code == CURLE_OK) {
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        body = json_loadb(exchange->len ? exchange->body : "", exchange->len, JSON_ALLOW_NUL, NULL);
        result.status = (int)status;
        result.body = body;
        read_limits(easy, result.status, body, &result.limits);
    } else if (exchange->too_long) {
        result.failure = "its answer is longer than 16 MiB";
    } else {
        result.failure = *exchange->error ? exchange->error : curl_easy_strerror(code);
    }
    char failure[CURL_ERROR_SIZE + 32] = "";
    if (result.failure) {
        snprintf(failure, sizeof failure, "%s", result.failure);
        result.failure = failure;
    }
    curl_easy_cleanup(easy);
    free_headers(exchange);
    free(exchange->body);
    exchange->body = NULL;
    exchange->done(exchange->arg, &result);
    json_decref(body);
}

bool exchange_start(struct exchange *exchange, struct transfers *transfers,
                    const struct exchange_setup *setup, exchange_callback done, void *arg)
{
    *exchange = (struct exchange){ .done = done, .arg = arg };
    exchange->transfer = (struct transfer){ prepare(exchange, setup), on_done, exchange };
    if (exchange->transfer.easy && transfers_add(transfers, &exchange->transfer))
        return true;
    if (exchange->transfer.easy)
        curl_easy_cleanup(exchange->transfer.easy);
    exchange->transfer.easy = NULL;
    free_headers(exchange);
    return false;
}

void exchange_stop(struct exchange *exchange, struct transfers *transfers)
{
    transfers_remove(transfers, &exchange->transfer);
    free_headers(exchange);
    free(exchange->body);
    exchange->body = NULL;
}
