/* See resolve.h. */
#include "resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static curl_socket_t note_address(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct resolve *resolve = arg;
    (void)purpose;
    const void *bytes =
        address->family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)(const void *)&address->addr)->sin_addr
            : (const void *)&((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_addr;
    char *text = resolve->addresses[resolve->count];
    if ((address->family == AF_INET || address->family == AF_INET6) && resolve->count < RESOLVE_ADDRESSES &&
        inet_ntop(address->family, bytes, text, sizeof resolve->addresses[0]))
        resolve->count++;
    return CURL_SOCKET_BAD;
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct resolve *resolve = arg;
    (void)result; /* it never gets its connection */
    curl_easy_cleanup(easy);
    resolve->done(resolve->arg);
}

bool resolve_start(struct resolve *resolve, struct transfers *transfers, const struct url *url,
                   void (*done)(void *arg), void *arg)
{
    char authority[300], text[320];
    *resolve = (struct resolve){ .done = done, .arg = arg };
    CURL *easy = transfers_easy();
    if (!easy)
        return false;
    url_authority(url, authority, sizeof authority);
    snprintf(text, sizeof text, "http://%s/", authority);
    curl_easy_setopt(easy, CURLOPT_URL, text);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, note_address);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, resolve);
    resolve->transfer = (struct transfer){ easy, on_done, resolve };
    if (transfers_add(transfers, &resolve->transfer))
        return true;
    curl_easy_cleanup(easy);
    resolve->transfer.easy = NULL;
    return false;
}

void resolve_stop(struct resolve *resolve, struct transfers *transfers)
{
    transfers_remove(transfers, &resolve->transfer);
}
