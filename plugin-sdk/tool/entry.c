/* See entry.h. */
#include "entry.h"

#include <stdio.h>
#include <string.h>

#define UP_TO(field) (offsetof(dback_entry, field) + sizeof(((dback_entry *)NULL)->field))

const char *const member_names[MEMBER_COUNT] = { "create",   "destroy",   "servers",     "users",
                                                 "validate", "client_id", "static_file", "watched",
                                                 "cancel",   "quiesce",   "extension" };

size_t member_offset(enum member member)
{
    static const size_t offsets[MEMBER_COUNT] = {
        offsetof(dback_vtable, create),      offsetof(dback_vtable, destroy),
        offsetof(dback_vtable, servers),     offsetof(dback_vtable, users),
        offsetof(dback_vtable, validate),    offsetof(dback_vtable, client_id),
        offsetof(dback_vtable, static_file), offsetof(dback_vtable, watched),
        offsetof(dback_vtable, cancel),      offsetof(dback_vtable, quiesce),
        offsetof(dback_vtable, extension)
    };
    return offsets[member];
}

static bool covers(uint32_t size, enum member member)
{
    return size >= member_offset(member) + sizeof(((dback_vtable *)NULL)->create);
}

/* What the beginning says; of a size that is too small the rest isn't there. */
static void take_numbers(struct entry *entry, const dback_entry *raw)
{
    *entry =
        (struct entry){ .magic = raw->magic, .major = raw->major, .minor = raw->minor, .size = raw->size };
    if (raw->size >= UP_TO(need_minor))
        entry->need_minor = raw->need_minor;
}

static const char *text_from_file(const struct elf_image *image, uint64_t pointer)
{
    uint64_t at = 0;
    return elf_pointer(image, pointer, &at) == ELF_POINTER_INSIDE ? elf_text(image, at) : NULL;
}

bool entry_from_file(struct entry *entry, const struct elf_image *image, char *err, size_t err_size)
{
    struct elf_symbol symbol;
    dback_entry raw;
    uint64_t vtable = 0;
    if (!elf_find_export(image, "dback_provider", &symbol)) {
        snprintf(err, err_size,
                 "it exports no symbol dback_provider, so it is no provider; define it with "
                 "DBACK_PROVIDER_ENTRY of dback/provider.h");
        return false;
    }
    memset(&raw, 0, sizeof raw);
    size_t size = symbol.size && symbol.size < sizeof raw ? (size_t)symbol.size : sizeof raw;
    if (!symbol.is_data || !elf_read(image, symbol.address, &raw, size)) {
        snprintf(err, err_size, "its dback_provider is not data; define it with DBACK_PROVIDER_ENTRY");
        return false;
    }
    take_numbers(entry, &raw);
    if (size < sizeof raw || entry->magic != DBACK_MAGIC || entry->major != DBACK_ABI_MAJOR ||
        entry->size < UP_TO(vtable))
        return true;
    entry->name = text_from_file(image, symbol.address + offsetof(dback_entry, name));
    entry->version = text_from_file(image, symbol.address + offsetof(dback_entry, version));
    enum elf_pointer found = elf_pointer(image, symbol.address + offsetof(dback_entry, vtable), &vtable);
    entry->has_vtable = found != ELF_POINTER_NULL;
    if (found != ELF_POINTER_INSIDE || !elf_read(image, vtable, &entry->vtable_size, 4) ||
        !elf_read(image, vtable + 4, &entry->flags, 4))
        return true;
    for (int i = 0; i < MEMBER_COUNT; i++) {
        uint64_t target = 0;
        entry->offers[i] =
            covers(entry->vtable_size, (enum member)i) &&
            elf_pointer(image, vtable + member_offset((enum member)i), &target) != ELF_POINTER_NULL;
    }
    return true;
}

void entry_from_memory(struct entry *entry, const dback_entry *from, size_t available)
{
    dback_entry raw;
    memset(&raw, 0, sizeof raw);
    memcpy(&raw, from, available < sizeof raw ? available : sizeof raw);
    take_numbers(entry, &raw);
    if (available < sizeof raw || raw.magic != DBACK_MAGIC || raw.major != DBACK_ABI_MAJOR ||
        raw.size < UP_TO(vtable))
        return;
    entry->name = raw.name;
    entry->version = raw.version;
    entry->has_vtable = raw.vtable != NULL;
    if (!raw.vtable)
        return;
    entry->vtable_size = raw.vtable->size;
    entry->flags = raw.vtable->flags;
    for (int i = 0; i < MEMBER_COUNT; i++) {
        void (*function)(void) = NULL;
        if (covers(entry->vtable_size, (enum member)i))
            memcpy(&function, (const char *)raw.vtable + member_offset((enum member)i), sizeof function);
        entry->offers[i] = function != NULL;
    }
}

static bool label_fits(const char *text)
{
    size_t len = text ? strnlen(text, 65) : 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return len >= 1 && len <= 64;
}

#define REBUILD "build it against this d-back's dback/provider.h"

enum clause entry_fault(const struct entry *e, char *err, size_t size)
{
    if (e->magic != DBACK_MAGIC) {
        snprintf(err, size,
                 "its dback_provider is no provider entry (it begins with 0x%08x); define it with "
                 "DBACK_PROVIDER_ENTRY of dback/provider.h",
                 e->magic);
        return CLAUSE_MAGIC;
    }
    if (e->major != DBACK_ABI_MAJOR) {
        snprintf(err, size, "it is built for provider ABI %u.x, this d-back speaks %d.x; " REBUILD, e->major,
                 DBACK_ABI_MAJOR);
        return CLAUSE_MAJOR;
    }
    if (e->size >= UP_TO(need_minor) && e->need_minor > DBACK_ABI_MINOR) {
        snprintf(err, size, "it needs a d-back with ABI %d.%u or newer, this one has %d.%d; update d-back",
                 DBACK_ABI_MAJOR, e->need_minor, DBACK_ABI_MAJOR, DBACK_ABI_MINOR);
        return CLAUSE_NEED_MINOR;
    }
    if (e->size < UP_TO(vtable)) {
        snprintf(err, size, "its dback_provider says that it has %u bytes, at least %zu are needed; " REBUILD,
                 e->size, UP_TO(vtable));
        return CLAUSE_SIZE;
    }
    if (!label_fits(e->name) || !label_fits(e->version)) {
        snprintf(err, size, "the %s in its dback_provider must be 1 to 64 printable ASCII characters",
                 label_fits(e->name) ? "version" : "name");
        return CLAUSE_NAME;
    }
    if (!e->has_vtable) {
        snprintf(err, size, "its dback_provider has no vtable (NULL)");
        return CLAUSE_MANDATORY;
    }
    if (!covers(e->vtable_size, MEMBER_DESTROY)) {
        snprintf(
            err, size,
            "its vtable says that it has %u bytes, which doesn't cover create and destroy; begin it with "
            "DBACK_VTABLE_HEAD",
            e->vtable_size);
        return CLAUSE_SIZE;
    }
    if (!e->offers[MEMBER_CREATE] || !e->offers[MEMBER_DESTROY]) {
        snprintf(err, size, "its vtable has no %s function, which every provider needs",
                 e->offers[MEMBER_CREATE] ? "destroy" : "create");
        return CLAUSE_MANDATORY;
    }
    if (e->offers[MEMBER_WATCHED] && !e->offers[MEMBER_USERS]) {
        snprintf(err, size,
                 "its vtable has watched, but not users, so that nobody would call watched; leave it out, or "
                 "add users");
        return CLAUSE_WATCHED;
    }
    return CLAUSE_NONE;
}

bool entry_is_idle(const struct entry *e)
{
    return !e->offers[MEMBER_SERVERS] && !e->offers[MEMBER_USERS] && !e->offers[MEMBER_VALIDATE] &&
           !e->offers[MEMBER_CLIENT_ID] && !e->offers[MEMBER_STATIC_FILE];
}

void entry_list_offers(const struct entry *entry, char *out, size_t size)
{
    size_t len = 0;
    *out = '\0';
    for (int i = MEMBER_SERVERS; i < MEMBER_COUNT && len < size; i++)
        if (entry->offers[i])
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " " : "", member_names[i]);
}
