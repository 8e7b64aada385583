/* What all commands say things with. */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("d-backctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    complain("standard output can't be written");
    return EXIT_REFUSED;
}

const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

double number_at(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

void append_duration(struct text_buffer *out, double seconds)
{
    static const struct {
        double seconds;
        const char *unit;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    if (seconds < 1) {
        text_appendf(out, "%.0f ms", seconds * 1000);
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (seconds < units[i].seconds)
            continue;
        unsigned long long whole = (unsigned long long)(seconds / units[i].seconds);
        text_appendf(out, "%llu %s", whole, units[i].unit);
        double rest = seconds - (double)whole * units[i].seconds;
        if (i + 1 < ARRAY_LENGTH(units) && rest >= units[i + 1].seconds)
            text_appendf(out, " %.0f %s",
                         rest / units[i + 1].seconds - 0.5 < 0 ? 0 : rest / units[i + 1].seconds - 0.5,
                         units[i + 1].unit);
        return;
    }
}

void append_bytes(struct text_buffer *out, double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
        bytes /= 1024;
        unit++;
    }
    text_appendf(out, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}
