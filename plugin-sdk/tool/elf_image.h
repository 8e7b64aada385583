/* A shared object as bytes: its symbols, and what its pointers will lead to, read from the file without
 * loading it. Nothing of it runs, not even its constructors.
 *
 * Addresses are those of the file ("virtual", as if it were loaded at 0). The file may be damaged or made to
 * deceive: each access is checked, and what can't be read is simply not there.
 */
#ifndef DBACK_TOOL_ELF_IMAGE_H
#define DBACK_TOOL_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image;

/* NULL with a sentence in `err`: it can't be read, or isn't a whole shared object for this kind of machine.
 */
struct elf_image *elf_open(const char *file, char *err, size_t err_size);
void elf_close(struct elf_image *image); /* NULL-safe */

size_t elf_file_size(const struct elf_image *image);
const char *elf_machine(const struct elf_image *image); /* "x86-64" */

struct elf_symbol {
    const char *name;
    uint64_t address, size; /* size 0: it doesn't say */
    bool is_data;           /* else code, or something stranger */
};
/* One that others may look up. */
bool elf_find_export(const struct elf_image *image, const char *name, struct elf_symbol *out);
/* The `index`th of these; false: there are no more. */
bool elf_export(const struct elf_image *image, size_t index, struct elf_symbol *out);
/* The function that `address` lies in, also one that isn't exported (unless it was stripped), or the nearest
 * before it. */
bool elf_symbol_at(const struct elf_image *image, uint64_t address, struct elf_symbol *out);

/* The bytes at an address, as they are in the file. */
bool elf_read(const struct elf_image *image, uint64_t address, void *out, size_t size);
/* NUL-terminated text; NULL: there is none. */
const char *elf_text(const struct elf_image *image, uint64_t address);

/* What the loader will make of the pointer at `address`. */
enum elf_pointer {
    ELF_POINTER_NULL,
    ELF_POINTER_INSIDE,  /* it leads to *target */
    ELF_POINTER_OUTSIDE, /* to something of another object */
};
enum elf_pointer elf_pointer(const struct elf_image *image, uint64_t address, uint64_t *target);

/* The `index`th library that it is linked with; NULL: there are no more. */
const char *elf_needed(const struct elf_image *image, size_t index);

#endif
