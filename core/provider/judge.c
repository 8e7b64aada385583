/* See judge.h. The order is that of the members: what comes first says whether the next may be read. */
#include "provider/judge.h"

#include <errno.h>
#include <string.h>

/* Bytes from the entry's beginning that cover `field`. */
#define UP_TO(field) (offsetof(dback_entry, field) + sizeof(((dback_entry *)NULL)->field))

#define REBUILD "build it against this d-back's dback/provider.h"

static int judge_version(const char *what, const dback_entry *entry, size_t available, char *err)
{
    if (available < UP_TO(size))
        return fail(err, -EINVAL,
                    "%s: its dback_provider has only %zu bytes and is no provider entry; " REBUILD, what,
                    available);
    if (entry->magic != DBACK_MAGIC)
        return fail(err, -EINVAL,
                    "%s: its dback_provider is no provider entry (it begins with 0x%08x); define it with "
                    "DBACK_PROVIDER_ENTRY of dback/provider.h",
                    what, entry->magic);
    if (entry->major != DBACK_ABI_MAJOR)
        return fail(err, -EINVAL, "%s is built for provider ABI %u.x, this d-back speaks %d.x; " REBUILD,
                    what, entry->major, DBACK_ABI_MAJOR);
    if (entry->size > available || entry->size < UP_TO(need_minor))
        return fail(err, -EINVAL,
                    "%s: its dback_provider says that it has %u bytes, which can't be; " REBUILD, what,
                    entry->size);
    if (entry->need_minor > DBACK_ABI_MINOR)
        return fail(err, -EINVAL,
                    "%s needs a d-back with ABI %d.%u or newer, this one has %d.%d; update d-back", what,
                    DBACK_ABI_MAJOR, entry->need_minor, DBACK_ABI_MAJOR, DBACK_ABI_MINOR);
    if (entry->size < UP_TO(vtable))
        return fail(err, -EINVAL, "%s: its dback_provider has %u bytes, at least %zu are needed; " REBUILD,
                    what, entry->size, UP_TO(vtable));
    return 0;
}

static int copy_label(const char *what, const char *label, const char *text, char out[65], char *err)
{
    size_t len = text ? strnlen(text, 65) : 0;
    bool good = len >= 1 && len <= 64;
    for (size_t i = 0; good && i < len; i++)
        good = text[i] >= 0x20 && text[i] <= 0x7e;
    if (!good)
        return fail(err, -EINVAL,
                    "%s: the %s in its dback_provider must be 1 to 64 printable ASCII characters", what,
                    label);
    memcpy(out, text, len);
    out[len] = '\0';
    return 0;
}

/* Whole members only: one that the size cuts through isn't there. */
static void copy_vtable(const dback_vtable *from, dback_vtable *to)
{
    const size_t head = offsetof(dback_vtable, create), member = sizeof(from->create);
    size_t size = from->size < sizeof *to ? from->size : sizeof *to;
    memset(to, 0, sizeof *to);
    memcpy(to, from, head + (size - head) / member * member);
}

int judge_entry(const char *what, const dback_entry *entry, size_t available, struct judged *out, char *err)
{
    struct judged judged;
    int result;
    if (!entry)
        return fail(err, -EINVAL, "%s: there is no provider entry", what);
    if ((result = judge_version(what, entry, available, err)) < 0 ||
        (result = copy_label(what, "name", entry->name, judged.name, err)) < 0 ||
        (result = copy_label(what, "version", entry->version, judged.version, err)) < 0)
        return result;
    judged.minor = entry->minor;
    const dback_vtable *vtable = entry->vtable;
    if (!vtable)
        return fail(err, -EINVAL, "%s: its dback_provider has no vtable", what);
    if (!DBACK_HAS(dback_vtable, vtable, destroy))
        return fail(
            err, -EINVAL,
            "%s: its vtable says that it has %u bytes, which doesn't cover create and destroy; begin it with "
            "DBACK_VTABLE_HEAD",
            what, vtable->size);
    copy_vtable(vtable, &judged.vtable);
    if (!judged.vtable.create || !judged.vtable.destroy)
        return fail(err, -EINVAL, "%s: its vtable has no %s function, which every provider needs", what,
                    judged.vtable.create ? "destroy" : "create");
    if (judged.vtable.watched && !judged.vtable.users)
        return fail(err, -EINVAL,
                    "%s: its vtable has watched, but not users, so that nobody would call watched; leave it "
                    "out, or add users",
                    what);
    *out = judged;
    return 0;
}
