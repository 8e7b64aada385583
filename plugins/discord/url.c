/* See url.h. */
#include "url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool starts_with(const char **text, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(*text, scheme, len) != 0 || strncmp(*text + len, "://", 3) != 0)
        return false;
    *text += len + 3;
    return true;
}

/* Of "host", "host:port", "[v6]" and "[v6]:port". */
static bool parse_authority(struct url *url, const char *text, size_t len)
{
    const char *host = text, *end = text + len, *colon;
    size_t host_len;
    if (len > 0 && *text == '[') {
        const char *bracket = memchr(text, ']', len);
        if (!bracket)
            return false;
        host = text + 1;
        host_len = (size_t)(bracket - host);
        colon = bracket + 1;
    } else {
        colon = memchr(text, ':', len);
        colon = colon ? colon : end;
        host_len = (size_t)(colon - text);
    }
    if (host_len < 1 || host_len >= sizeof url->host)
        return false;
    memcpy(url->host, host, host_len);
    url->host[host_len] = '\0';
    if (strspn(url->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_") != host_len)
        return false;
    if (colon == end)
        return true;
    size_t digits = (size_t)(end - colon) - 1;
    if (*colon != ':' || digits < 1 || digits > 5 || strspn(colon + 1, "0123456789") < digits)
        return false;
    unsigned long port = strtoul(colon + 1, NULL, 10);
    url->port = (uint16_t)port;
    return port >= 1 && port <= 65535;
}

static bool parse_path(struct url *url, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '?' || text[i] == '#')
            return false;
    while (len > 0 && text[len - 1] == '/')
        len--;
    if (len >= sizeof url->path)
        return false;
    memcpy(url->path, text, len);
    url->path[len] = '\0';
    return true;
}

bool url_parse(struct url *url, const char *text, const char *plain, const char *secure, char *error,
               size_t size)
{
    memset(url, 0, sizeof *url);
    const char *rest = text;
    if (starts_with(&rest, secure)) {
        url->tls = true;
        url->port = 443;
    } else if (starts_with(&rest, plain)) {
        url->port = 80;
    } else {
        snprintf(error, size, "must be a URL that begins with %s://", secure);
        return false;
    }
    size_t authority = strcspn(rest, "/?#");
    if (!parse_authority(url, rest, authority) || !parse_path(url, rest + authority)) {
        snprintf(error, size, "must be %s://HOST[:PORT][/PATH], without user, query and fragment", secure);
        return false;
    }
    if (!url->tls && !is_loopback(url->host)) {
        snprintf(error, size,
                 "must begin with %s://: over %s:// the token would travel unencrypted, which is allowed to "
                 "127.0.0.1, ::1 and localhost only",
                 secure, plain);
        return false;
    }
    return true;
}

void url_authority(const struct url *url, char *out, size_t size)
{
    bool six = strchr(url->host, ':') != NULL;
    int n = snprintf(out, size, six ? "[%s]" : "%s", url->host);
    if (url->port != (url->tls ? 443 : 80) && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ":%u", url->port);
}
