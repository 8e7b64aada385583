/* See journal.h. */
#include "base/journal.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool journal_is(const char *stream, int fd)
{
    struct stat st;
    char *end = NULL;
    unsigned long long device = stream ? strtoull(stream, &end, 10) : 0;
    if (!end || *end != ':' || fstat(fd, &st) < 0)
        return false;
    unsigned long long inode = strtoull(end + 1, &end, 10);
    return *end == '\0' && device == (unsigned long long)st.st_dev && inode == (unsigned long long)st.st_ino;
}

int journal_open(const char *path)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof name.sun_path)
        return -1;
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The room, and the viewer's connection if it is about one. */
static void append_source(struct text_buffer *out, const struct log_source *source)
{
    text_append_literal(out, "\nDBACK_ROOM=");
    text_append_printable(out, str_of(source->room));
    if (source->conn)
        text_appendf(out, "\nDBACK_CONNECTION=%llu", (unsigned long long)source->conn);
    if (source->peer) {
        text_append_literal(out, "\nDBACK_PEER=");
        text_append_printable(out, str_of(source->peer));
    }
}

bool journal_send(int fd, enum log_level level, const struct log_source *source, struct str text)
{
    static const unsigned priorities[] = { [LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7 };
    struct text_buffer entry = { 0 };
    text_appendf(&entry, "SYSLOG_IDENTIFIER=d-back\nPRIORITY=%u", priorities[level]);
    append_source(&entry, source);
    text_append_literal(&entry, "\nMESSAGE=");
    text_append_str(&entry, text);
    text_append_literal(&entry, "\n");
    bool taken = send(fd, entry.ptr, entry.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)entry.len;
    text_finish(&entry);
    return taken;
}
