/* See leftovers.h. */
#include "leftovers.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_TURNS 200
#define SETTLE_NS 5000000

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

struct leftovers leftovers_count(void)
{
    struct mallinfo2 m = mallinfo2();
    return (struct leftovers){ count_entries("/proc/self/task"), count_entries("/proc/self/fd"),
                               m.uordblks + m.hblkhd };
}

size_t leftovers_settle(size_t threads)
{
    size_t count = count_entries("/proc/self/task");
    for (int i = 0; i < SETTLE_TURNS && count > threads; i++) {
        nanosleep(&(struct timespec){ 0, SETTLE_NS }, NULL);
        count = count_entries("/proc/self/task");
    }
    return count;
}

static void append_name(const char *task, char *out, size_t size)
{
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    size_t len = strlen(out);
    if (*name)
        snprintf(out + len, size - len, "%s%s", len ? " " : "", name);
}

void leftovers_name_threads(char *out, size_t size)
{
    DIR *dir = opendir("/proc/self/task");
    *out = '\0';
    for (struct dirent *e; dir && (e = readdir(dir));) {
        long id = strtol(e->d_name, NULL, 10);
        if (id > 0 && id != (long)gettid() && id != (long)getpid())
            append_name(e->d_name, out, size);
    }
    if (dir)
        closedir(dir);
}
