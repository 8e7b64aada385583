/* See peer.h. */
#include "edge/peer.h"

#include "edge/http_text.h"

#include <arpa/inet.h>
#include <errno.h>

/* The first 12 bytes of an IPv4 address in IPv6. */
static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static struct in6_addr map_ipv4(const struct in_addr *address)
{
    struct in6_addr out;
    memcpy(out.s6_addr, mapped, sizeof mapped);
    memcpy(out.s6_addr + sizeof mapped, &address->s_addr, 4);
    return out;
}

int peer_from_sockaddr(struct in6_addr *out, const struct sockaddr *address, socklen_t len)
{
    *out = (struct in6_addr)IN6ADDR_ANY_INIT;
    sa_family_t family;
    if (len < offsetof(struct sockaddr, sa_family) + sizeof family)
        return -EINVAL;
    memcpy(&family, (const char *)address + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family == AF_INET) {
        struct sockaddr_in in;
        if (len < sizeof in)
            return -EINVAL;
        memcpy(&in, address, sizeof in);
        *out = map_ipv4(&in.sin_addr);
        return 0;
    }
    if (family == AF_INET6) {
        struct sockaddr_in6 in6;
        if (len < sizeof in6)
            return -EINVAL;
        memcpy(&in6, address, sizeof in6);
        *out = in6.sin6_addr;
        return 0;
    }
    return -EAFNOSUPPORT;
}

void peer_write(const struct in6_addr *address, char text[PEER_TEXT_SIZE])
{
    bool ipv4 = memcmp(address->s6_addr, mapped, sizeof mapped) == 0;
    const void *bytes = ipv4 ? address->s6_addr + sizeof mapped : address->s6_addr;
    if (!inet_ntop(ipv4 ? AF_INET : AF_INET6, bytes, text, PEER_TEXT_SIZE))
        memcpy(text, "?", 2);
}

static bool read_address(struct in6_addr *out, int family, struct str s)
{
    char text[PEER_TEXT_SIZE];
    if (!s.len || s.len >= sizeof text || memchr(s.ptr, '\0', s.len))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (family == AF_INET6)
        return inet_pton(AF_INET6, text, out) == 1;
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *out = map_ipv4(&in);
    return true;
}

/* 1 to 5 digits: proxies write a port, and nobody looks at it. */
static bool is_port(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_digit(s.ptr[i]))
            return false;
    return s.len >= 1 && s.len <= 5;
}

bool peer_read(struct in6_addr *out, struct str text)
{
    struct in6_addr address;
    struct str rest = text;
    bool good;
    if (text.len && text.ptr[0] == '[') {
        rest = (struct str){ text.ptr + 1, text.len - 1 };
        bool closed = memchr(text.ptr, ']', text.len) != NULL;
        good = read_address(&address, AF_INET6, str_cut_at(&rest, ']')) && closed;
        if (rest.len)
            good = good && rest.ptr[0] == ':' && is_port((struct str){ rest.ptr + 1, rest.len - 1 });
    } else if (read_address(&address, AF_INET6, text)) {
        good = true;
    } else {
        bool with_port = text.len && memchr(text.ptr, ':', text.len);
        good = read_address(&address, AF_INET, str_cut_at(&rest, ':')) && (!with_port || is_port(rest));
    }
    if (good)
        *out = address;
    return good;
}

bool network_contains(const struct network *network, const struct in6_addr *address)
{
    unsigned whole = network->prefix / 8, bits = network->prefix % 8;
    bool ipv4 = memcmp(address->s6_addr, mapped, sizeof mapped) == 0;
    if (ipv4 && network->prefix < 8 * sizeof mapped) /* "::/0" is all of IPv6 */
        return false;
    if (network->prefix > 128 || memcmp(network->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    if (!bits)
        return true;
    unsigned differing = network->address.s6_addr[whole] ^ address->s6_addr[whole];
    return differing >> (8 - bits) == 0;
}

bool peer_is_trusted(const struct in6_addr *address, const struct network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (network_contains(&networks[i], address))
            return true;
    return false;
}

/* Takes the last piece off a comma-separated list; empty pieces are skipped. */
static bool list_last(struct str *list, struct str *piece)
{
    while (list->len) {
        size_t begin = list->len;
        while (begin > 0 && list->ptr[begin - 1] != ',')
            begin--;
        *piece = str_without_blanks((struct str){ list->ptr + begin, list->len - begin });
        list->len = begin > 0 ? begin - 1 : 0;
        if (piece->len)
            return true;
    }
    return false;
}

struct in6_addr peer_viewer(const struct in6_addr *peer, const struct str *lines, size_t line_count,
                            const struct network *networks, size_t count)
{
    struct in6_addr viewer = *peer;
    while (line_count > 0) {
        struct str list = lines[--line_count], entry;
        for (;;) {
            if (!peer_is_trusted(&viewer, networks, count))
                return viewer;
            if (!list_last(&list, &entry))
                break;
            if (!peer_read(&viewer, entry)) /* leaves `viewer` as it was */
                return viewer;
        }
    }
    return viewer;
}

struct origin peer_origin(bool secure, struct str host, bool trusted, struct str forwarded_proto,
                          struct str forwarded_host)
{
    struct str scheme, name;
    if (trusted && list_last(&forwarded_proto, &scheme)) {
        if (str_equal_nocase(scheme, STR("https")) || str_equal_nocase(scheme, STR("wss")))
            secure = true;
        else if (str_equal_nocase(scheme, STR("http")) || str_equal_nocase(scheme, STR("ws")))
            secure = false;
    }
    if (trusted && list_last(&forwarded_host, &name) && host_valid(name))
        host = name;
    return (struct origin){ secure, host_valid(host) ? host : (struct str){ 0 } };
}
