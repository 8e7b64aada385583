/* See service.h. */
#include "app/service.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3

/* A number from the environment that is meant for this process; 0: there is none. */
static unsigned long long number_for_us(const char *name, const char *pid_name)
{
    const char *number = getenv(name), *pid = getenv(pid_name);
    if (!number || (pid && strtoull(pid, NULL, 10) != (unsigned long long)getpid()))
        return 0;
    return strtoull(number, NULL, 10);
}

/* ------------------ sockets ------------------------------------------------------------------- */

static int check_socket(int fd, bool control, char *err)
{
    struct sockaddr_storage name = { 0 };
    socklen_t length = sizeof name, size = sizeof(int);
    int listens = 0, type = 0;
    if (getsockname(fd, (struct sockaddr *)&name, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || type != SOCK_STREAM || !listens)
        return fail(err, -EINVAL,
                    "descriptor %d, which the service manager hands over, isn't a socket that listens", fd);
    bool local = name.ss_family == AF_UNIX;
    if (control && !local)
        return fail(err, -EINVAL,
                    "the socket \"control\" that the service manager hands over must be a unix socket");
    if (!control && local)
        return fail(err, -EINVAL,
                    "the service manager hands over a unix socket for the viewers; they need TCP (or was "
                    "FileDescriptorName=control forgotten?)");
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* The next of the names that are separated by colons; there may be none. */
static bool is_control(const char **names)
{
    static const char word[] = "control";
    if (!*names)
        return false;
    size_t len = strcspn(*names, ":");
    bool control = len == sizeof word - 1 && memcmp(*names, word, len) == 0;
    *names = (*names)[len] ? *names + len + 1 : NULL;
    return control;
}

int service_take_sockets(struct service_sockets *out, char *err)
{
    unsigned long long count = number_for_us("LISTEN_FDS", "LISTEN_PID");
    const char *names = getenv("LISTEN_FDNAMES");
    *out = (struct service_sockets){ .control = -1 };
    int code = 0;
    for (unsigned long long i = 0; i < count && code == 0; i++) {
        int fd = FIRST_DESCRIPTOR + (int)i;
        bool control = is_control(&names);
        if (i >= SERVICE_SOCKETS_MAX)
            code = fail(err, -EINVAL, "the service manager hands over more than %d sockets",
                        SERVICE_SOCKETS_MAX);
        else
            code = check_socket(fd, control, err);
        if (code == 0 && control && out->control >= 0)
            code = fail(err, -EINVAL, "the service manager hands over two sockets of the name \"control\"");
        else if (code == 0 && control)
            out->control = fd;
        else if (code == 0)
            out->viewers[out->viewer_count++] = fd;
    }
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    return code;
}

void service_close_sockets(struct service_sockets *sockets)
{
    for (size_t i = 0; i < sockets->viewer_count; i++)
        close(sockets->viewers[i]);
    if (sockets->control >= 0)
        close(sockets->control);
    *sockets = (struct service_sockets){ .control = -1 };
}

/* ------------------ telling ------------------------------------------------------------------- */

void service_tell(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    char text[1024];
    va_list args;
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof name.sun_path)
        return;
    memcpy(name.sun_path, path, strlen(path));
    if (path[0] == '@')
        name.sun_path[0] = '\0';
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    ssize_t ignored =
        fd < 0 ? 0 : sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&name, length);
    (void)ignored; /* nobody is to hear of it but the one who doesn't listen */
    if (fd >= 0)
        close(fd);
}

uint64_t service_watchdog_ms(void)
{
    return number_for_us("WATCHDOG_USEC", "WATCHDOG_PID") / 1000;
}
