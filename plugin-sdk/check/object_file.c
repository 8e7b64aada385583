/* See object_file.h. */
#include "object_file.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define SIZE_MAX_BYTES (256u << 20)

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__i386__)
#define MACHINE EM_386
#elif defined(__arm__)
#define MACHINE EM_ARM
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__s390x__)
#define MACHINE EM_S390
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_HERE ELFDATA2LSB
#else
#define BYTE_ORDER_HERE ELFDATA2MSB
#endif

const char *object_file_fault(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file; name the provider's .so file";
    if (st->st_size == 0)
        return "is empty; build or copy it anew";
    return (uint64_t)st->st_size > SIZE_MAX_BYTES ? "is larger than 256 MiB; strip it" : NULL;
}

static bool read_at(int fd, void *out, size_t size, uint64_t offset)
{
    return pread(fd, out, size, (off_t)offset) == (ssize_t)size;
}

static bool for_this_machine(const ElfW(Ehdr) * head)
{
    if (head->e_ident[EI_CLASS] != __ELF_NATIVE_CLASS / 32 || head->e_ident[EI_DATA] != BYTE_ORDER_HERE)
        return false;
#ifdef MACHINE
    return head->e_machine == MACHINE;
#else
    return true;
#endif
}

const char *object_head_fault(int fd, uint64_t size)
{
    ElfW(Ehdr) head;
    if (size < sizeof head || !read_at(fd, &head, sizeof head, 0) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return "is not a shared object (no ELF file); name the provider's .so file";
    if (!for_this_machine(&head))
        return "is built for another kind of machine; build it on or for this one";
    if (head.e_type != ET_DYN)
        return "is an ELF file, but not a shared object; link it with -shared";
    if (head.e_phentsize != sizeof(ElfW(Phdr)) || head.e_phnum == 0 || head.e_phnum > OBJECT_FILE_SEGMENTS)
        return "is damaged (its program headers make no sense); build it anew";
    for (unsigned i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) part;
        if (!read_at(fd, &part, sizeof part, (uint64_t)head.e_phoff + i * sizeof part) ||
            part.p_offset > size || (part.p_type != PT_NULL && part.p_filesz > size - part.p_offset))
            return "is incomplete (it ends before its contents do); build or copy it anew";
    }
    return NULL;
}
