/* See commands.h. */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct {
    char bytes[4096];
    size_t len, used; /* `used` of them were the line before */
} input;

static void fill(bool *ret_ended)
{
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    ssize_t n = read(0, input.bytes + input.len, sizeof input.bytes - input.len);
    if (n > 0)
        input.len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        *ret_ended = true; /* also of a line that fills the buffer: nobody sends one */
}

char *commands_next(bool *ret_ended)
{
    *ret_ended = false;
    input.len -= input.used;
    memmove(input.bytes, input.bytes + input.used, input.len);
    input.used = 0;
    char *end = memchr(input.bytes, '\n', input.len);
    if (!end) {
        fill(ret_ended);
        end = memchr(input.bytes, '\n', input.len);
    }
    if (!end)
        return NULL;
    *end = '\0';
    input.used = (size_t)(end + 1 - input.bytes);
    return input.bytes;
}
