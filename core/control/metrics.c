/* See metrics.h. */
#include "control/metrics.h"

#include <stdio.h>

void metrics_family(struct text_buffer *out, const char *name, const char *type, const char *help)
{
    text_appendf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void begin(struct text_buffer *out, const char *name, const char *labels)
{
    if (labels && *labels)
        text_appendf(out, "%s{%s} ", name, labels);
    else
        text_appendf(out, "%s ", name);
}

void metrics_count(struct text_buffer *out, const char *name, const char *labels, uint64_t value)
{
    begin(out, name, labels);
    text_appendf(out, "%llu\n", (unsigned long long)value);
}

/* Written as integers, because the locale may be the embedding program's. */
void metrics_seconds(struct text_buffer *out, const char *name, const char *labels, uint64_t ns)
{
    begin(out, name, labels);
    text_appendf(out, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000u),
                 (unsigned long long)(ns % 1000000000u));
}

/* As short as "0.0025". */
static void append_bound(struct text_buffer *out, double bound_s)
{
    unsigned tenths_of_ms = (unsigned)(bound_s * 10000 + 0.5);
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%u.%04u", tenths_of_ms / 10000, tenths_of_ms % 10000);
    while (digits[len - 1] == '0')
        len--;
    len -= digits[len - 1] == '.';
    text_append(out, digits, (size_t)len);
}

void metrics_histogram(struct text_buffer *out, const char *name, const char *labels,
                       const struct histogram *histogram)
{
    const char *before = labels ? labels : "", *comma = *before ? "," : "";
    struct text_buffer part = { 0 };
    uint64_t sum = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        sum += count_get(&histogram->buckets[i]);
        text_appendf(out, "%s_bucket{%s%sle=\"", name, before, comma);
        if (i < HISTOGRAM_BOUNDS)
            append_bound(out, histogram_bounds_s[i]);
        else
            text_append_literal(out, "+Inf");
        text_appendf(out, "\"} %llu\n", (unsigned long long)sum);
    }
    text_appendf(&part, "%s_sum", name);
    metrics_seconds(out, part.ptr, labels, count_get(&histogram->sum_ns));
    part.len = 0;
    text_appendf(&part, "%s_count", name);
    metrics_count(out, part.ptr, labels, sum);
    text_finish(&part);
}

void histogram_merge(struct histogram *sum, const struct histogram *more)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count_add(&sum->buckets[i], count_get(&more->buckets[i]));
    count_add(&sum->sum_ns, count_get(&more->sum_ns));
}

void metrics_label(struct text_buffer *labels, const char *name, struct str value)
{
    text_appendf(labels, "%s%s=\"", labels->len ? "," : "", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n')
            text_append_literal(labels, "\\n");
        else if (c == '"' || c == '\\')
            text_appendf(labels, "\\%c", c);
        else
            text_append(labels, &c, 1);
    }
    text_appendf(labels, "\""); /* and a NUL behind it, as a format leaves one */
}
