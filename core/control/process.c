/* See process.h. */
#include "control/process.h"

#include "control/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The fields of /proc/self/stat (proc(5)) behind the name, which may hold anything. */
enum {
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_THREADS = 20,
    STAT_STARTTIME = 22,
    STAT_VSIZE = 23,
    STAT_RSS = 24
};
#define FIELDS_MAX 32

static bool read_stat(unsigned long long fields[FIELDS_MAX])
{
    char text[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *at = strrchr(text, ')');
    if (!at)
        return false;
    strtok_r(at + 1, " ", &at); /* the state, field 3 */
    for (int field = 4; field < FIELDS_MAX; field++) {
        const char *value = strtok_r(NULL, " ", &at);
        fields[field] = value ? strtoull(value, NULL, 10) : 0;
    }
    return true;
}

static uint64_t count_descriptors(void)
{
    uint64_t count = 0;
    DIR *entries = opendir("/proc/self/fd");
    struct dirent *entry;
    while (entries && (entry = readdir(entries)))
        count += entry->d_name[0] != '.';
    if (entries)
        closedir(entries);
    return count ? count - 1 : 0; /* without the one that this took */
}

/* Of CLOCK_REALTIME. */
static uint64_t start_time_ns(unsigned long long ticks_after_boot)
{
    struct timespec real, boot;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    uint64_t booted_ns = ((uint64_t)real.tv_sec - (uint64_t)boot.tv_sec) * 1000000000u;
    return booted_ns + ticks_after_boot * (1000000000u / hz);
}

void process_write_metrics(struct text_buffer *out)
{
    unsigned long long fields[FIELDS_MAX];
    struct rlimit limit;
    if (read_stat(fields)) {
        uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
        metrics_family(out, "process_cpu_seconds_total", "counter", "User and system CPU time.");
        metrics_seconds(out, "process_cpu_seconds_total", NULL,
                        (fields[STAT_UTIME] + fields[STAT_STIME]) * tick_ns);
        metrics_family(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        metrics_count(out, "process_resident_memory_bytes", NULL,
                      fields[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE));
        metrics_family(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
        metrics_count(out, "process_virtual_memory_bytes", NULL, fields[STAT_VSIZE]);
        metrics_family(out, "process_threads", "gauge", "Threads.");
        metrics_count(out, "process_threads", NULL, fields[STAT_THREADS]);
        metrics_family(out, "process_start_time_seconds", "gauge", "Start time since the epoch in seconds.");
        metrics_seconds(out, "process_start_time_seconds", NULL, start_time_ns(fields[STAT_STARTTIME]));
    }
    metrics_family(out, "process_open_fds", "gauge", "Open file descriptors.");
    metrics_count(out, "process_open_fds", NULL, count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics_family(out, "process_max_fds", "gauge", "How many file descriptors may be open.");
        metrics_count(out, "process_max_fds", NULL, limit.rlim_cur);
    }
}
