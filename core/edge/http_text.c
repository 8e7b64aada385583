/* See http_text.h. */
#include "edge/http_text.h"

#include <arpa/inet.h>

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

struct str str_without_blanks(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s.ptr++, s.len--;
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct str str_cut_at(struct str *rest, char mark)
{
    struct str whole = *rest;
    const char *found = whole.len ? memchr(whole.ptr, mark, whole.len) : NULL;
    if (!found) {
        *rest = (struct str){ whole.len ? whole.ptr + whole.len : whole.ptr, 0 };
        return whole;
    }
    struct str before = { whole.ptr, (size_t)(found - whole.ptr) };
    *rest = (struct str){ found + 1, whole.len - before.len - 1 };
    return before;
}

bool list_next(struct str *rest, struct str *piece)
{
    while (rest->len) {
        *piece = str_without_blanks(str_cut_at(rest, ','));
        if (piece->len)
            return true;
    }
    return false;
}

bool list_contains(struct str list, struct str token)
{
    struct str piece;
    while (list_next(&list, &piece))
        if (str_equal_nocase(piece, token))
            return true;
    return false;
}

static bool port_valid(struct str port)
{
    unsigned value = 0;
    if (port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        if (!is_digit(port.ptr[i]))
            return false;
        value = value * 10 + (unsigned)(port.ptr[i] - '0');
    }
    return value <= 65535;
}

static bool ipv6_valid(struct str address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (address.len >= sizeof text || (address.len && memchr(address.ptr, '\0', address.len)))
        return false;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET6, text, &parsed) == 1;
}

bool host_valid(struct str host)
{
    struct str rest = host;
    if (host.len && host.ptr[0] == '[') {
        rest = (struct str){ host.ptr + 1, host.len - 1 };
        if (!memchr(host.ptr, ']', host.len) || !ipv6_valid(str_cut_at(&rest, ']')))
            return false;
        if (!rest.len)
            return true;
        return rest.ptr[0] == ':' && port_valid((struct str){ rest.ptr + 1, rest.len - 1 });
    }
    struct str name = str_cut_at(&rest, ':');
    for (size_t i = 0; i < name.len; i++)
        if (!is_alpha(name.ptr[i]) && !is_digit(name.ptr[i]) && !strchr("-._~", name.ptr[i]))
            return false;
    return name.len && name.len <= 255 && !memchr(name.ptr, '\0', name.len) && port_valid(rest);
}

/* The byte that path[i] starts, and how far it reaches; -1 for a wrong escape. */
static int path_byte(struct str path, size_t i, size_t *reach)
{
    *reach = 1;
    if (path.ptr[i] != '%')
        return (unsigned char)path.ptr[i];
    if (path.len - i < 3)
        return -1;
    int high = hex_value(path.ptr[i + 1]), low = hex_value(path.ptr[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0))
        return -1;
    *reach = 3;
    return high * 16 + low;
}

bool path_decode(struct str path, struct text_buffer *out)
{
    size_t before = out->len, reach;
    text_reserve(out, path.len);
    for (size_t i = 0; i < path.len; i += reach) {
        int byte = path_byte(path, i, &reach);
        if (byte < 0) {
            out->len = before;
            return false;
        }
        out->ptr[out->len++] = (char)byte;
    }
    return true;
}

bool path_escapes_valid(struct str path)
{
    size_t reach;
    for (size_t i = 0; i < path.len; i += reach)
        if (path_byte(path, i, &reach) < 0)
            return false;
    return true;
}
