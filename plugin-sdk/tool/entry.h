/* A provider's entry and vtable as they can be judged, wherever they were read: from the file, or from
 * memory. */
#ifndef DBACK_TOOL_ENTRY_H
#define DBACK_TOOL_ENTRY_H

#include "../check/contract.h"
#include "elf_image.h"

#include <dback/provider.h>

/* The functions of a vtable, in their order. */
enum member {
    MEMBER_CREATE,
    MEMBER_DESTROY,
    MEMBER_SERVERS,
    MEMBER_USERS,
    MEMBER_VALIDATE,
    MEMBER_CLIENT_ID,
    MEMBER_STATIC_FILE,
    MEMBER_WATCHED,
    MEMBER_CANCEL,
    MEMBER_QUIESCE,
    MEMBER_EXTENSION,
    MEMBER_COUNT
};
extern const char *const member_names[MEMBER_COUNT];
/* Where the function stands in a dback_vtable. */
size_t member_offset(enum member member);

struct entry {
    uint32_t magic, size, need_minor;
    uint16_t major, minor;
    const char *name, *version; /* NULL: none */
    bool has_vtable;
    uint32_t vtable_size, flags;
    bool offers[MEMBER_COUNT];
};

/* False with a sentence: there is no entry to be read. */
bool entry_from_file(struct entry *entry, const struct elf_image *image, char *err, size_t err_size);
/* `available` bytes of it may be read; the texts stay the provider's. */
void entry_from_memory(struct entry *entry, const dback_entry *from, size_t available);

/* What d-back would refuse it for, in the order in which it looks, and the paragraph that says so;
 * CLAUSE_NONE: it wouldn't. What follows a fault hasn't been read. */
enum clause entry_fault(const struct entry *entry, char *err, size_t err_size);
/* It is asked nothing at all: it can only emit. */
bool entry_is_idle(const struct entry *entry);
/* The names of what it offers, with spaces between. */
void entry_list_offers(const struct entry *entry, char *out, size_t size);

#endif
