/* See widget.h. */
#include "widget.h"

#include "clean.h"

#include <stdlib.h>
#include <string.h>

#define WIDGET_FULL 100
#define WIDGET_MAX 1000

struct listed {
    char name[MEMBER_NAME_SIZE];
    uint8_t status;
    bool twice; /* two of the widget have this name */
    uint32_t matches;
    struct member *member;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static struct listed *find(struct listed *all, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(all[middle].name, name);
        if (order == 0)
            return &all[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Those with a name; the id counts where it is a member's, as on servers that don't hide it. */
static size_t collect(const struct guild *guild, const json_t *members, struct listed *all)
{
    size_t count = 0, i;
    json_t *one;
    json_array_foreach(members, i, one)
    {
        const struct member *known = table_find(&guild->members, json_snowflake(one, "id"));
        if (count == WIDGET_MAX)
            break;
        all[count] = (struct listed){ .status = member_status(one) };
        if (known && known->name)
            strcpy(all[count++].name, known->name);
        else if (member_name(NULL, one, all[count].name))
            count++;
    }
    qsort(all, count, sizeof *all, by_name);
    size_t kept = 0;
    for (i = 0; i < count; i++) {
        if (kept > 0 && strcmp(all[kept - 1].name, all[i].name) == 0)
            all[kept - 1].twice = true;
        else
            all[kept++] = all[i];
    }
    return kept;
}

static void set_all(struct guild *guild, uint8_t status)
{
    struct member *member;
    for (size_t at = 0; (member = table_next(&guild->members, &at));)
        member->status = status;
}

bool widget_apply(struct guild *guild, const json_t *widget)
{
    const json_t *members = json_object_get(widget, "members");
    struct member *member;
    if (!json_is_array(members)) {
        set_all(guild, DBACK_STATUS_UNKNOWN);
        return true;
    }
    struct listed *all = calloc(WIDGET_MAX, sizeof *all);
    if (!all)
        return false;
    size_t count = collect(guild, members, all);
    set_all(guild, json_array_size(members) < WIDGET_FULL ? DBACK_STATUS_OFFLINE : DBACK_STATUS_UNKNOWN);
    for (size_t at = 0; (member = table_next(&guild->members, &at));) {
        struct listed *listed = member->name ? find(all, count, member->name) : NULL;
        if (!listed)
            continue;
        listed->matches++;
        listed->member = member;
        member->status = DBACK_STATUS_UNKNOWN;
    }
    for (size_t i = 0; i < count; i++)
        if (all[i].matches == 1 && !all[i].twice)
            all[i].member->status = all[i].status;
    free(all);
    return true;
}
