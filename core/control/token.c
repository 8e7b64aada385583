/* The token that whoever comes over TCP has to show: every user of the machine can connect to the loopback.
 *
 * The file is read for each request. It is small, requests over TCP are few, and a token that was changed or
 * taken away counts at once.
 */
#include "control/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_LEAST 16
#define TOKEN_MOST 512

struct token {
    unsigned char bytes[TOKEN_MOST]; /* the rest is zero */
    size_t len;
};

static void take(struct token *token, const char *text, size_t len)
{
    *token = (struct token){ 0 };
    if (len > TOKEN_MOST)
        return;
    memcpy(token->bytes, text, len);
    token->len = len;
}

/* The first line, without white space around it. */
static int read_token(const char *file, struct token *token, char *err)
{
    char text[TOKEN_MOST + 2];
    struct stat st;
    *token = (struct token){ 0 };
    int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail(err, -errno, "can't read control.token_file \"%s\": %s", file, strerror(errno));
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, text, sizeof text) : -1;
    close(fd);
    if (n < 0)
        return fail(err, -EINVAL, "control.token_file \"%s\" isn't a file that can be read", file);
    if (st.st_mode & S_IROTH)
        return fail(err, -EPERM, "control.token_file \"%s\" can be read by everybody; chmod o-r it", file);
    const char *end = memchr(text, '\n', (size_t)n);
    struct str line = str_trim((struct str){ text, end ? (size_t)(end - text) : (size_t)n });
    if (line.len < TOKEN_LEAST || line.len > TOKEN_MOST)
        return fail(
            err, -EINVAL,
            "the token in control.token_file \"%s\" must be one line of %d to %d characters; make one "
            "with: openssl rand -hex 32",
            file, TOKEN_LEAST, TOKEN_MOST);
    take(token, line.ptr, line.len);
    return 0;
}

int token_check(const char *file, char *err)
{
    struct token token;
    return read_token(file, &token, err);
}

/* All bytes of both are looked at, whatever is in them. */
static bool same(const struct token *a, const struct token *b)
{
    volatile unsigned difference = a->len != b->len;
    for (size_t i = 0; i < TOKEN_MOST; i++)
        difference = difference | (unsigned)(a->bytes[i] ^ b->bytes[i]);
    return difference == 0;
}

bool token_matches(const char *file, const char *header)
{
    static const char scheme[] = "Bearer ";
    struct token right, shown;
    bool has_scheme = header && strncasecmp(header, scheme, sizeof scheme - 1) == 0;
    struct str text = str_trim(str_of(has_scheme ? header + sizeof scheme - 1 : ""));
    take(&shown, text.ptr, text.len);
    bool readable = read_token(file, &right, NULL) == 0;
    return same(&right, &shown) && readable && shown.len > 0;
}
