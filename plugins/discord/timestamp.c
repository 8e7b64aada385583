/* See timestamp.h. */
#define _GNU_SOURCE
#include "timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EARLIEST INT64_C(-62135596800) /* the year 1 */
#define LATEST INT64_C(253402300799)   /* the end of 9999 */

static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
                                      "July",    "August",   "September", "October", "November", "December" };
static const char *const days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday" };

/* "in 2 hours", "3 days ago" */
static void show_distance(int64_t seconds, char *out)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 31536000, "year" }, { 2592000, "month" }, { 86400, "day" },
                  { 3600, "hour" },     { 60, "minute" },     { 1, "second" } };
    bool ahead = seconds > 0;
    uint64_t distance = (uint64_t)(ahead ? seconds : -seconds);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t count = distance / (uint64_t)units[i].seconds;
        if (count == 0)
            continue;
        snprintf(out, TIMESTAMP_SIZE, "%s%" PRIu64 " %s%s%s", ahead ? "in " : "", count, units[i].name,
                 count == 1 ? "" : "s", ahead ? "" : " ago");
        return;
    }
    strcpy(out, "now");
}

static void show_date(int64_t seconds, char style, char *out)
{
    time_t at = (time_t)seconds;
    struct tm t;
    gmtime_r(&at, &t);
    int year = t.tm_year + 1900;
    const char *month = months[t.tm_mon];
    if (style == 't')
        snprintf(out, TIMESTAMP_SIZE, "%02d:%02d UTC", t.tm_hour, t.tm_min);
    else if (style == 'T')
        snprintf(out, TIMESTAMP_SIZE, "%02d:%02d:%02d UTC", t.tm_hour, t.tm_min, t.tm_sec);
    else if (style == 'd')
        snprintf(out, TIMESTAMP_SIZE, "%04d-%02d-%02d", year, t.tm_mon + 1, t.tm_mday);
    else if (style == 'D')
        snprintf(out, TIMESTAMP_SIZE, "%d %s %d", t.tm_mday, month, year);
    else if (style == 'F')
        snprintf(out, TIMESTAMP_SIZE, "%s, %d %s %d %02d:%02d UTC", days[t.tm_wday], t.tm_mday, month, year,
                 t.tm_hour, t.tm_min);
    else
        snprintf(out, TIMESTAMP_SIZE, "%d %s %d %02d:%02d UTC", t.tm_mday, month, year, t.tm_hour, t.tm_min);
}

bool timestamp_show(const char *text, size_t len, int64_t now, char *out)
{
    char number[24], style = 'f';
    if (len >= 3 && text[len - 2] == ':') {
        style = text[len - 1];
        len -= 2;
    }
    bool negative = len > 0 && text[0] == '-';
    if (len < 1 || len >= sizeof number || !strchr("tTdDfFR", style))
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    size_t digits = strspn(number + negative, "0123456789");
    if (digits < 1 || digits > 14 || digits + negative != len)
        return false;
    int64_t seconds = strtoll(number, NULL, 10);
    if (seconds < EARLIEST || seconds > LATEST)
        return false;
    if (style == 'R')
        show_distance(seconds - now, out);
    else
        show_date(seconds, style, out);
    return true;
}

bool timestamp_parse(const char *text, int64_t *seconds)
{
    struct tm t = { 0 };
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min,
               &t.tm_sec, &used) != 6 ||
        used != 19)
        return false;
    const char *rest = text + used;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int hours = 0, minutes = 0, sign = 0, tail = 0;
    if (strcmp(rest, "Z") != 0) {
        if ((*rest != '+' && *rest != '-') || sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &tail) != 2 ||
            rest[1 + tail] != '\0')
            return false;
        sign = *rest == '+' ? 1 : -1;
    }
    if (t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 ||
        t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *seconds = (int64_t)timegm(&t) - sign * (hours * 3600 + minutes * 60);
    return true;
}
