/* See turn.h. */
#define _GNU_SOURCE
#include "turn.h"

#include "verdicts.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 250
#define PATIENCE_MS 30000 /* somebody has it who doesn't give it back */

static void end(void *arg)
{
    struct turn *turn = arg;
    alarm_stop(&turn->end);
    if (turn->fd >= 0)
        close(turn->fd);
    turn->fd = -1;
}

/* A name that only those can know who have the token. */
static socklen_t name_of(const char *token, struct sockaddr_un *address)
{
    static const char prefix[] = "d-back-discord-";
    char text[1100], *name = address->sun_path + 1; /* behind a zero: it isn't a file */
    snprintf(text, sizeof text, "identify %s", token);
    const struct token_hash hash = token_hash_of(dback_text(text));
    explicit_bzero(text, sizeof text);
    memcpy(name, prefix, sizeof prefix);
    for (size_t i = 0; i < 16; i++)
        snprintf(name + sizeof prefix - 1 + 2 * i, 3, "%02x", hash.bytes[i]);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

/* Whether another has it. */
static bool try_to_take(struct turn *turn, const char *token)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = name_of(token, &address);
    turn->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (turn->fd < 0 || bind(turn->fd, (struct sockaddr *)&address, size) == 0)
        return false;
    bool taken = errno == EADDRINUSE;
    end(turn);
    return taken;
}

void turn_init(struct turn *turn, struct alarms *alarms)
{
    *turn = (struct turn){ .fd = -1 };
    alarm_init(&turn->end, alarms, end, turn);
}

void turn_finish(struct turn *turn)
{
    end(turn);
}

uint64_t turn_wait(struct turn *turn, const char *token, uint64_t now)
{
    alarm_stop(&turn->end); /* of the time before: who asks anew keeps it */
    bool taken = turn->fd < 0 && try_to_take(turn, token);
    if (!taken)
        turn->since_ms = 0;
    else if (!turn->since_ms)
        turn->since_ms = now;
    return taken && now - turn->since_ms < PATIENCE_MS ? LOOK_AGAIN_MS : 0;
}

void turn_keep(struct turn *turn, uint64_t ms)
{
    turn->since_ms = 0;
    if (turn->fd >= 0)
        alarm_set(&turn->end, ms, 0);
}

void turn_give_up(struct turn *turn)
{
    turn->since_ms = 0;
    if (!alarm_is_set(&turn->end))
        end(turn);
}
