/* The servers that d-back has asked about. See sqlite.h. There are as many as it has answers for, so this
 * doesn't grow by what viewers ask. */
#include "sqlite.h"

#include <stdlib.h>

/* Where it is, or would be. */
static size_t place_of(const struct watches *watches, const char *server)
{
    size_t low = 0, high = watches->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(watches->list[middle].server, server) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool copy_id(char to[ID_LIMIT + 1], dback_str server)
{
    if (!text_is_id(server, ID_LIMIT))
        return false;
    memcpy(to, server.ptr, server.len);
    to[server.len] = '\0';
    return true;
}

struct watch *watches_find(const struct watches *watches, dback_str server)
{
    char id[ID_LIMIT + 1];
    if (!copy_id(id, server))
        return NULL;
    size_t at = place_of(watches, id);
    return at < watches->count && strcmp(watches->list[at].server, id) == 0 ? &watches->list[at] : NULL;
}

struct watch *watches_add(struct watches *watches, dback_str server)
{
    char id[ID_LIMIT + 1];
    struct watch *there = watches_find(watches, server);
    if (there || !copy_id(id, server))
        return there;
    if (watches->count == watches->room) {
        size_t room = watches->room ? watches->room * 2 : 16;
        struct watch *list = realloc(watches->list, room * sizeof *list);
        if (!list)
            return NULL;
        watches->list = list;
        watches->room = room;
    }
    size_t at = place_of(watches, id);
    memmove(&watches->list[at + 1], &watches->list[at], (watches->count - at) * sizeof *watches->list);
    watches->count++;
    watches->list[at] = (struct watch){ .known = -1 };
    memcpy(watches->list[at].server, id, sizeof id);
    return &watches->list[at];
}

void watches_finish(struct watches *watches)
{
    free(watches->list);
}
