/* See listener.h. */
#include "edge/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BACKLOG 4096
/* How often another port is tried when the kernel's choice is taken on one of the addresses. */
#define PORT_ATTEMPTS 20

static socklen_t name_length(const struct sockaddr_storage *name)
{
    return name->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static in_port_t *port_of(struct sockaddr_storage *name)
{
    return name->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)name)->sin6_port
                                       : &((struct sockaddr_in *)name)->sin_port;
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    return a->ss_family == b->ss_family && memcmp(a, b, name_length(a)) == 0;
}

static int look_up(const char *host, struct addrinfo **found)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    int code = getaddrinfo(*host ? host : NULL, "0", &hints, found);
    if (code && strcasecmp(host, "localhost") == 0) { /* the loopback (RFC 6761), also without /etc/hosts */
        hints.ai_flags = 0;
        code = getaddrinfo(NULL, "0", &hints, found);
    }
    return code;
}

static int resolve(struct listener_set *set, const char *host, char *err)
{
    struct addrinfo *found;
    int code = look_up(host, &found);
    if (code)
        return fail(err, -EINVAL, "host \"%s\" means no address: %s", host,
                    code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    for (struct addrinfo *a = found; a && set->addresses < LISTENER_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        struct sockaddr_storage *name = &set->names[set->addresses];
        memset(name, 0, sizeof *name);
        memcpy(name, a->ai_addr, a->ai_addrlen);
        bool seen = false;
        for (unsigned i = 0; i < set->addresses; i++)
            seen |= same_host(&set->names[i], name);
        set->addresses += !seen;
    }
    freeaddrinfo(found);
    return set->addresses ? 0 : fail(err, -EINVAL, "host \"%s\" means no IPv4 or IPv6 address", host);
}

/* A bound socket, or a negative errno. */
static int bind_one(const struct sockaddr_storage *name, bool share)
{
    int fd = socket(name->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (name->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)name, name_length(name)) < 0) {
        int code = -errno;
        close(fd);
        return code;
    }
    return fd;
}

/* Is somebody else there already? A socket of our own that shares the port would not notice. */
static int probe(const struct sockaddr_storage *name)
{
    int fd = bind_one(name, false);
    if (fd < 0)
        return fd;
    int code = listen(fd, 1) < 0 ? -errno : 0;
    close(fd);
    return code;
}

static int open_address(struct listener_set *set, unsigned address)
{
    struct sockaddr_storage *name = &set->names[address];
    bool share = set->workers > 1;
    *port_of(name) = htons(set->port);
    int code = share && set->port ? probe(name) : 0;
    for (unsigned w = 0; w < set->workers && code == 0; w++) {
        int fd = bind_one(name, share);
        if (fd < 0)
            return fd;
        set->fds[w * set->addresses + address] = fd;
        if (listen(fd, BACKLOG) < 0)
            return -errno;
        if (!set->port) {
            socklen_t length = sizeof *name;
            getsockname(fd, (struct sockaddr *)name, &length);
            set->port = ntohs(*port_of(name));
        }
    }
    return code;
}

static void close_all(struct listener_set *set)
{
    for (unsigned i = 0; i < set->workers * set->addresses; i++) {
        if (set->fds[i] >= 0)
            close(set->fds[i]);
        set->fds[i] = -1;
    }
}

/* This machine hasn't got it: IPv6 switched off, for example. */
static bool is_absent(int code)
{
    return code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT;
}

static void leave_out(struct listener_set *set, unsigned address)
{
    memmove(&set->names[address], &set->names[address + 1],
            (set->addresses - address - 1) * sizeof set->names[0]);
    set->addresses--;
}

static int explain(struct listener_set *set, unsigned address, int code, char *err)
{
    char name[80];
    listener_name(set, address, name, sizeof name);
    if (code == -EADDRINUSE)
        return fail(err, code,
                    "%s is in use by another program; stop it, or choose another port with --port or `port` "
                    "in d-back.cfg",
                    name);
    if (code == -EACCES)
        return fail(err, code, "not allowed to listen on %s; ports below 1024 need CAP_NET_BIND_SERVICE",
                    name);
    return fail(err, code, "can't listen on %s: %s", name, strerror(-code));
}

int listener_set_open(struct listener_set *set, const char *host, uint16_t port, unsigned workers,
                      struct log *log, char *err)
{
    *set = (struct listener_set){ .workers = workers };
    int code = resolve(set, host, err);
    if (code < 0)
        return code;
    size_t most = (size_t)workers * set->addresses;
    set->fds = xmalloc(most * sizeof *set->fds);
    for (size_t i = 0; i < most; i++)
        set->fds[i] = -1;
    unsigned attempts = 0;
    for (unsigned a = 0; a < set->addresses;) {
        set->port = a == 0 ? port : set->port;
        code = open_address(set, a);
        if (code == 0) {
            a++;
            continue;
        }
        bool try_again = code == -EADDRINUSE && port == 0 && ++attempts < PORT_ATTEMPTS;
        bool absent = is_absent(code) && set->addresses > 1;
        if (!try_again && !absent) {
            explain(set, a, code, err);
            listener_set_close(set);
            return code;
        }
        close_all(set); /* the places in `fds` depend on the number of addresses */
        if (absent) {
            char name[80];
            listener_name(set, a, name, sizeof name);
            log_room(log, LOG_WARN, "app", "not listening on %s: %s", name, strerror(-code));
            leave_out(set, a);
        }
        a = 0;
    }
    return 0;
}

int listener_set_adopt(struct listener_set *set, const int *fds, size_t count, unsigned workers, char *err)
{
    *set = (struct listener_set){ .workers = workers, .addresses = (unsigned)count };
    set->fds = xmalloc((size_t)workers * count * sizeof *set->fds);
    for (size_t i = 0; i < (size_t)workers * count; i++)
        set->fds[i] = i < count ? fds[i] : fcntl(fds[i % count], F_DUPFD_CLOEXEC, 0);
    for (size_t a = 0; a < count; a++) {
        socklen_t length = sizeof set->names[a];
        getsockname(fds[a], (struct sockaddr *)&set->names[a], &length);
    }
    set->port = ntohs(*port_of(&set->names[0]));
    for (size_t i = 0; i < (size_t)workers * count; i++) {
        if (set->fds[i] >= 0)
            continue;
        listener_set_close(set);
        return fail(err, -EMFILE, "no descriptors for %u workers: %s", workers, strerror(EMFILE));
    }
    return 0;
}

void listener_set_close(struct listener_set *set)
{
    if (!set->fds)
        return;
    close_all(set);
    free(set->fds);
    set->fds = NULL;
}

void listener_name(const struct listener_set *set, unsigned address, char *text, size_t size)
{
    char host[64] = "?", port[8] = "?";
    const struct sockaddr_storage *name = &set->names[address];
    getnameinfo((const struct sockaddr *)name, name_length(name), host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, size, name->ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
}
