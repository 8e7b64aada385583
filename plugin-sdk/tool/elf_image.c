/* See elf_image.h. */
#include "elf_image.h"

#include "../check/object_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_DYNAMIC 4096

/* Relocations that lead to this object itself, and those that lead to a symbol. */
static const struct {
    uint16_t machine;
    uint32_t relative, absolute, data;
    const char *name;
} machines[] = {
    { EM_X86_64, R_X86_64_RELATIVE, R_X86_64_64, R_X86_64_GLOB_DAT, "x86-64" },
    { EM_AARCH64, R_AARCH64_RELATIVE, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, "aarch64" },
    { EM_RISCV, R_RISCV_RELATIVE, R_RISCV_64, R_RISCV_64, "riscv64" },
    { EM_PPC64, R_PPC64_RELATIVE, R_PPC64_ADDR64, R_PPC64_GLOB_DAT, "ppc64" },
    { EM_S390, R_390_RELATIVE, R_390_64, R_390_GLOB_DAT, "s390x" },
    { EM_386, R_386_RELATIVE, R_386_32, R_386_GLOB_DAT, "i386" },
    { EM_ARM, R_ARM_RELATIVE, R_ARM_ABS32, R_ARM_GLOB_DAT, "arm" },
    { EM_NONE, UINT32_MAX, UINT32_MAX, UINT32_MAX, "an unknown machine" }, /* the last: all others */
};
#define MACHINES (sizeof machines / sizeof machines[0])

/* Symbols with the texts of their names; `count` of them lie within the file. */
struct table {
    const unsigned char *symbols;
    size_t count;
    const char *names;
    size_t names_size;
};

struct elf_image {
    unsigned char *bytes;
    size_t size;
    size_t machine; /* index */
    ElfW(Ehdr) head;
    ElfW(Phdr) segments[OBJECT_FILE_SEGMENTS];
    size_t segment_count;
    ElfW(Dyn) dynamic[MOST_DYNAMIC];
    size_t dynamic_count;
    struct table exports, all; /* `all` may be empty: stripped */
};

/* ------------------ bytes --------------------------------------------------------------------- */

/* `count` things of `size` bytes at this place of the file; NULL: not within it. */
static const unsigned char *at_offset(const struct elf_image *image, uint64_t offset, uint64_t count,
                                      size_t size)
{
    if (offset > image->size || count > (image->size - offset) / size)
        return NULL;
    return image->bytes + offset;
}

/* The file's bytes at an address, and in *left how many follow of its segment. */
static const unsigned char *at_address(const struct elf_image *image, uint64_t address, uint64_t *left)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const ElfW(Phdr) *s = &image->segments[i];
        if (s->p_type != PT_LOAD || address < s->p_vaddr || address - s->p_vaddr >= s->p_filesz)
            continue;
        uint64_t within = address - s->p_vaddr;
        *left = s->p_filesz - within;
        return at_offset(image, s->p_offset + within, *left, 1);
    }
    return NULL;
}

bool elf_read(const struct elf_image *image, uint64_t address, void *out, size_t size)
{
    uint64_t left = 0;
    const unsigned char *from = at_address(image, address, &left);
    if (!from || left < size)
        return false;
    memcpy(out, from, size);
    return true;
}

const char *elf_text(const struct elf_image *image, uint64_t address)
{
    uint64_t left = 0;
    const unsigned char *from = at_address(image, address, &left);
    return from && memchr(from, 0, left) ? (const char *)from : NULL;
}

static const char *name_in(const struct table *table, uint64_t offset)
{
    if (offset >= table->names_size || !memchr(table->names + offset, 0, table->names_size - offset))
        return "";
    return table->names + offset;
}

/* ------------------ the dynamic section ------------------------------------------------------- */

static uint64_t dynamic_value(const struct elf_image *image, int64_t tag)
{
    for (size_t i = 0; i < image->dynamic_count; i++)
        if (image->dynamic[i].d_tag == tag)
            return image->dynamic[i].d_un.d_val;
    return 0;
}

static void find_dynamic(struct elf_image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const ElfW(Phdr) *s = &image->segments[i];
        if (s->p_type != PT_DYNAMIC)
            continue;
        size_t count = s->p_filesz / sizeof(ElfW(Dyn));
        count = count < MOST_DYNAMIC ? count : MOST_DYNAMIC;
        const unsigned char *from = at_offset(image, s->p_offset, count, sizeof(ElfW(Dyn)));
        if (from)
            memcpy(image->dynamic, from, count * sizeof(ElfW(Dyn)));
        while (from && image->dynamic_count < count && image->dynamic[image->dynamic_count].d_tag != DT_NULL)
            image->dynamic_count++;
        return;
    }
}

/* The GNU hash table doesn't say how many symbols there are: the last one of the longest chain does. */
static size_t count_gnu_hashed(const struct elf_image *image, uint64_t table)
{
    uint32_t head[4]; /* buckets, first symbol, bloom words, shift */
    if (!elf_read(image, table, head, sizeof head))
        return 0;
    uint64_t buckets = table + sizeof head + (uint64_t)head[2] * sizeof(ElfW(Addr));
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    uint32_t last = 0, hash = 0;
    for (uint32_t i = 0, first = 0; i < head[0] && elf_read(image, buckets + (uint64_t)i * 4, &first, 4); i++)
        last = first > last ? first : last;
    if (last < head[1])
        return head[1];
    while (elf_read(image, chains + (uint64_t)(last - head[1]) * 4, &hash, sizeof hash) && !(hash & 1))
        last++;
    return (size_t)last + 1;
}

static void find_exports(struct elf_image *image)
{
    uint64_t left = 0, names_left = 0;
    uint32_t head[2] = { 0, 0 }; /* of the old hash table: buckets, symbols */
    const unsigned char *symbols = at_address(image, dynamic_value(image, DT_SYMTAB), &left);
    const unsigned char *names = at_address(image, dynamic_value(image, DT_STRTAB), &names_left);
    if (!symbols || !names)
        return;
    if (dynamic_value(image, DT_HASH))
        elf_read(image, dynamic_value(image, DT_HASH), head, sizeof head);
    size_t count = head[1] ? head[1] : count_gnu_hashed(image, dynamic_value(image, DT_GNU_HASH));
    uint64_t most = left / sizeof(ElfW(Sym)), said = dynamic_value(image, DT_STRSZ);
    image->exports = (struct table){ symbols, count < most ? count : (size_t)most, (const char *)names,
                                     said < names_left ? (size_t)said : (size_t)names_left };
}

/* By way of the section headers, which nobody but debuggers needs: they may be missing. */
static void find_all_symbols(struct elf_image *image)
{
    const ElfW(Ehdr) *head = &image->head;
    const unsigned char *from = at_offset(image, head->e_shoff, head->e_shnum, sizeof(ElfW(Shdr)));
    for (unsigned i = 0; from && head->e_shentsize == sizeof(ElfW(Shdr)) && i < head->e_shnum; i++) {
        ElfW(Shdr) section, names;
        memcpy(&section, from + i * sizeof section, sizeof section);
        if (section.sh_type != SHT_SYMTAB || section.sh_link >= head->e_shnum)
            continue;
        memcpy(&names, from + section.sh_link * sizeof names, sizeof names);
        const unsigned char *symbols = at_offset(image, section.sh_offset, section.sh_size, 1);
        const unsigned char *texts = at_offset(image, names.sh_offset, names.sh_size, 1);
        if (symbols && texts)
            image->all = (struct table){ symbols, section.sh_size / sizeof(ElfW(Sym)), (const char *)texts,
                                         names.sh_size };
    }
}

/* ------------------ opening ------------------------------------------------------------------- */

static unsigned char *read_bytes(int fd, size_t size)
{
    unsigned char *bytes = malloc(size);
    for (size_t have = 0; bytes && have < size;) {
        ssize_t n = read(fd, bytes + have, size - have);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            free(bytes);
            return NULL;
        }
        have += n > 0 ? (size_t)n : 0;
    }
    return bytes;
}

static bool read_file(struct elf_image *image, int fd, char *err, size_t err_size)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(err, err_size, "it can't be read: %s", strerror(errno));
        return false;
    }
    const char *fault = object_file_fault(&st);
    image->size = (size_t)st.st_size;
    if (!fault)
        fault = object_head_fault(fd, image->size);
    if (!fault && !(image->bytes = read_bytes(fd, image->size)))
        fault = "became shorter while it was read; try again when it is complete";
    if (fault)
        snprintf(err, err_size, "it %s", fault);
    return !fault;
}

/* It was looked at as a file; what was read may be another one by now. */
static void take_head(struct elf_image *image)
{
    ElfW(Ehdr) *head = &image->head;
    memcpy(head, image->bytes, sizeof *head);
    while (image->machine < MACHINES - 1 && machines[image->machine].machine != head->e_machine)
        image->machine++;
    size_t count = head->e_phnum < OBJECT_FILE_SEGMENTS ? head->e_phnum : OBJECT_FILE_SEGMENTS;
    const unsigned char *from = at_offset(image, head->e_phoff, count, sizeof(ElfW(Phdr)));
    image->segment_count = from ? count : 0;
    if (from)
        memcpy(image->segments, from, count * sizeof(ElfW(Phdr)));
}

struct elf_image *elf_open(const char *file, char *err, size_t err_size)
{
    struct elf_image *image = calloc(1, sizeof *image);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not make it wait */
    bool good = image && read_file(image, fd, err, err_size);
    if (good) {
        take_head(image);
        find_dynamic(image);
        find_exports(image);
        find_all_symbols(image);
    }
    if (fd >= 0)
        close(fd);
    if (good)
        return image;
    elf_close(image);
    return NULL;
}

void elf_close(struct elf_image *image)
{
    if (image)
        free(image->bytes);
    free(image);
}

size_t elf_file_size(const struct elf_image *image)
{
    return image->size;
}

const char *elf_machine(const struct elf_image *image)
{
    return machines[image->machine].name;
}

/* ------------------ symbols ------------------------------------------------------------------- */

static ElfW(Sym) symbol_of(const struct table *table, size_t index)
{
    ElfW(Sym) symbol;
    memcpy(&symbol, table->symbols + index * sizeof symbol, sizeof symbol);
    return symbol;
}

static struct elf_symbol describe(const struct table *table, const ElfW(Sym) * symbol)
{
    unsigned type = symbol->st_info & 0xf;
    return (struct elf_symbol){ name_in(table, symbol->st_name), symbol->st_value, symbol->st_size,
                                type == STT_OBJECT || type == STT_NOTYPE };
}

bool elf_export(const struct elf_image *image, size_t index, struct elf_symbol *out)
{
    const struct table *table = &image->exports;
    for (size_t i = 0; i < table->count; i++) {
        ElfW(Sym) symbol = symbol_of(table, i);
        unsigned binding = symbol.st_info >> 4, visibility = symbol.st_other & 3;
        if (symbol.st_shndx == SHN_UNDEF || binding == STB_LOCAL ||
            (visibility != STV_DEFAULT && visibility != STV_PROTECTED))
            continue;
        if (index-- == 0) {
            *out = describe(table, &symbol);
            return true;
        }
    }
    return false;
}

bool elf_find_export(const struct elf_image *image, const char *name, struct elf_symbol *out)
{
    for (size_t i = 0; elf_export(image, i, out); i++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

bool elf_symbol_at(const struct elf_image *image, uint64_t address, struct elf_symbol *out)
{
    const struct table *table = image->all.count ? &image->all : &image->exports;
    bool found = false;
    for (size_t i = 0; i < table->count; i++) {
        ElfW(Sym) symbol = symbol_of(table, i);
        unsigned type = symbol.st_info & 0xf;
        if (symbol.st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC) ||
            symbol.st_value > address || (found && symbol.st_value < out->address))
            continue;
        *out = describe(table, &symbol);
        found = true;
    }
    return found;
}

/* ------------------ pointers ------------------------------------------------------------------ */

/* Of the symbol that a relocation names. */
static enum elf_pointer symbolic(const struct elf_image *image, size_t index, uint64_t addend,
                                 uint64_t *target)
{
    if (index >= image->exports.count)
        return ELF_POINTER_OUTSIDE;
    ElfW(Sym) symbol = symbol_of(&image->exports, index);
    *target = symbol.st_value + addend;
    return symbol.st_shndx == SHN_UNDEF ? ELF_POINTER_OUTSIDE : ELF_POINTER_INSIDE;
}

#if __ELF_NATIVE_CLASS == 64
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)
#define RELOCATION_SYMBOL(info) ELF64_R_SYM(info)
#else
#define RELOCATION_TYPE(info) ELF32_R_TYPE(info)
#define RELOCATION_SYMBOL(info) ELF32_R_SYM(info)
#endif

/* In one list of relocations, with or without addends of their own. */
static bool find_relocation(const struct elf_image *image, uint64_t address, uint64_t in_place, bool addends,
                            uint64_t *target, enum elf_pointer *out)
{
    uint64_t list = dynamic_value(image, addends ? DT_RELA : DT_REL);
    uint64_t size = dynamic_value(image, addends ? DT_RELASZ : DT_RELSZ);
    size_t step = addends ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
    ElfW(Rela) entry = { 0 };
    for (uint64_t at = 0; at + step <= size && elf_read(image, list + at, &entry, step); at += step) {
        if (entry.r_offset != address)
            continue;
        uint64_t addend = addends ? (uint64_t)entry.r_addend : in_place;
        uint32_t type = (uint32_t)RELOCATION_TYPE(entry.r_info);
        *target = addend;
        if (type == machines[image->machine].relative)
            *out = ELF_POINTER_INSIDE;
        else if (type == machines[image->machine].absolute || type == machines[image->machine].data)
            *out = symbolic(image, RELOCATION_SYMBOL(entry.r_info), addend, target);
        else
            *out = ELF_POINTER_OUTSIDE; /* something stranger, but not NULL */
        return true;
    }
    return false;
}

enum elf_pointer elf_pointer(const struct elf_image *image, uint64_t address, uint64_t *target)
{
    ElfW(Addr) in_place = 0;
    enum elf_pointer found = ELF_POINTER_NULL;
    if (!elf_read(image, address, &in_place, sizeof in_place))
        return ELF_POINTER_NULL;
    if (find_relocation(image, address, in_place, true, target, &found) ||
        find_relocation(image, address, in_place, false, target, &found))
        return found;
    /* Packed relative relocations (DT_RELR) are only a list of places: what stands there is the address. */
    *target = in_place;
    return in_place ? ELF_POINTER_INSIDE : ELF_POINTER_NULL;
}

const char *elf_needed(const struct elf_image *image, size_t index)
{
    for (size_t i = 0; i < image->dynamic_count; i++)
        if (image->dynamic[i].d_tag == DT_NEEDED && index-- == 0)
            return name_in(&image->exports, image->dynamic[i].d_un.d_val);
    return NULL;
}
