/* See stack.h. /proc says which file is mapped where, and the file's symbols say the rest. Debug information
 * isn't needed. */
#include "stack.h"

#include "elf_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 512
#define PATH 4096

struct place {
    char file[PATH];
    uint64_t base; /* where the file's beginning is mapped */
};

static bool find_place(pid_t process, uint64_t address, struct place *out)
{
    char path[64], line[PATH + 128];
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)process);
    FILE *maps = fopen(path, "re");
    struct place place = { "", 0 };
    bool found = false;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        uint64_t begin, end, offset;
        int name = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &begin, &end, &offset, &name) <
                3 ||
            name == 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        if (offset == 0 || strcmp(place.file, line + name) != 0)
            place.base = begin - offset;
        snprintf(place.file, sizeof place.file, "%s", line + name);
        found = address >= begin && address < end && line[name];
    }
    if (maps)
        fclose(maps);
    *out = place;
    return found;
}

/* Where it lies in the file, by name when it has one. */
static void name_frame(const struct place *place, uint64_t address, char *out)
{
    struct elf_symbol symbol;
    char err[128];
    const char *slash = strrchr(place->file, '/');
    const char *base = slash ? slash + 1 : place->file;
    struct elf_image *image = elf_open(place->file, err, sizeof err);
    uint64_t at = address - place->base;
    if (image && elf_symbol_at(image, at, &symbol) && *symbol.name &&
        (!symbol.size || at - symbol.address < symbol.size))
        snprintf(out, LINE, "%.400s+0x%" PRIx64 " (%.80s)", symbol.name, at - symbol.address, base);
    else
        snprintf(out, LINE, "0x%" PRIx64 " (%.80s)", at, base);
    elf_close(image);
}

char **stack_name(pid_t process, const char *image, void *const *frames, size_t count)
{
    char **stack = calloc(count + 1, sizeof *stack);
    char *own = realpath("/proc/self/exe", NULL);
    char line[LINE];
    size_t n = 0, last = 0; /* how many up to the last one of the image */
    for (size_t i = 0; stack && i < count; i++) {
        struct place place;
        uint64_t address = (uint64_t)(uintptr_t)frames[i] - (i > 0); /* a return address is behind its call */
        if (!find_place(process, address, &place))
            snprintf(line, sizeof line, "0x%" PRIx64 " (nothing is there)", address);
        else if (own && strcmp(own, place.file) == 0)
            continue;
        else
            name_frame(&place, address, line);
        stack[n++] = strdup(line);
        if (strcmp(place.file, image) == 0)
            last = n;
    }
    while (last && n > last) {
        free(stack[--n]);
        stack[n] = NULL;
    }
    free(own);
    return stack;
}

void stack_free(char **stack)
{
    for (size_t i = 0; stack && stack[i]; i++)
        free(stack[i]);
    free(stack);
}
