/* See conditional.h. */
#include "edge/conditional.h"

#include <stdio.h>

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* ------------------ dates --------------------------------------------------------------------- */

void http_date_write(time_t when, char text[HTTP_DATE_SIZE])
{
    struct tm tm;
    if (!gmtime_r(&when, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
        when = 0;
        gmtime_r(&when, &tm);
    }
    snprintf(text, HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", day_names + 3 * tm.tm_wday,
             (unsigned)tm.tm_mday % 100, month_names + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* Reads `count` digits at `text`; -1 when there is something else. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool http_date_read(struct str text, time_t *when)
{
    static const char pattern[] = "???, ?? ??? ???? ??:??:?? GMT";
    if (text.len != sizeof pattern - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (pattern[i] != '?' && pattern[i] != text.ptr[i])
            return false;
    const char *p = text.ptr;
    struct tm tm = { .tm_mday = digits(p + 5, 2),
                     .tm_mon = -1,
                     .tm_year = digits(p + 12, 4) - 1900,
                     .tm_hour = digits(p + 17, 2),
                     .tm_min = digits(p + 20, 2),
                     .tm_sec = digits(p + 23, 2) };
    for (int month = 0; month < 12; month++)
        if (memcmp(p + 8, month_names + 3 * month, 3) == 0)
            tm.tm_mon = month;
    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_mon < 0 || tm.tm_year < -1900 || tm.tm_hour < 0 ||
        tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return false;
    *when = timegm(&tm);
    return true;
}

/* ------------------ entity tags --------------------------------------------------------------- */

/* Takes the next `"…"` or `W/"…"` off a list. Tags may contain commas, so list_next() won't do. */
static bool next_tag(struct str *rest, struct str *tag, bool *weak)
{
    while (rest->len && (is_blank(rest->ptr[0]) || rest->ptr[0] == ','))
        rest->ptr++, rest->len--;
    *weak = rest->len >= 2 && memcmp(rest->ptr, "W/", 2) == 0;
    if (*weak)
        rest->ptr += 2, rest->len -= 2;
    if (!rest->len || rest->ptr[0] != '"')
        return false;
    const char *close = memchr(rest->ptr + 1, '"', rest->len - 1);
    if (!close)
        return false;
    *tag = (struct str){ rest->ptr, (size_t)(close - rest->ptr) + 1 };
    rest->ptr += tag->len, rest->len -= tag->len;
    return true;
}

/* If-None-Match compares weakly: the W/ isn't minded. */
static bool any_tag_matches(struct str list, struct str etag)
{
    struct str tag;
    bool weak;
    while (next_tag(&list, &tag, &weak))
        if (str_equal(tag, etag))
            return true;
    return false;
}

bool conditional_not_modified(const struct request_head *head, const struct content_state *content)
{
    if (head->if_none_match.ptr)
        return str_equal(head->if_none_match, STR("*")) ||
               any_tag_matches(head->if_none_match, content->etag);
    time_t since;
    return content->has_modified && head->if_modified_since.ptr &&
           http_date_read(head->if_modified_since, &since) && content->modified <= since;
}

/* ------------------ ranges -------------------------------------------------------------------- */

/* Is what the browser holds a part of still the same? Compared strongly; a date must be the exact one. */
static bool range_still_fits(const struct request_head *head, const struct content_state *content)
{
    if (!head->if_range.ptr)
        return true;
    struct str rest = head->if_range, tag;
    bool weak;
    if (next_tag(&rest, &tag, &weak))
        return !weak && !rest.len && str_equal(tag, content->etag);
    time_t since;
    return content->has_modified && http_date_read(head->if_range, &since) && content->modified == since;
}

/* False: it isn't a number. What doesn't fit is as good as the largest: nothing is that long. */
static bool read_position(struct str s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return s.len > 0;
}

enum range_kind conditional_range(const struct request_head *head, const struct content_state *content,
                                  uint64_t *offset, uint64_t *length)
{
    struct str set = head->range, first, last;
    uint64_t from, to;
    if (!set.ptr || head->method != METHOD_GET || !memchr(set.ptr, '=', set.len) ||
        !str_equal_nocase(str_cut_at(&set, '='), STR("bytes")) || !range_still_fits(head, content))
        return RANGE_WHOLE;
    last = str_without_blanks(set);
    if (!last.len || !memchr(last.ptr, '-', last.len))
        return RANGE_WHOLE;
    first = str_cut_at(&last, '-');
    if (!first.len) { /* the last `to` bytes */
        if (!read_position(last, &to))
            return RANGE_WHOLE;
        if (!to || !content->size)
            return RANGE_UNSATISFIABLE;
        *length = to < content->size ? to : content->size;
        *offset = content->size - *length;
        return RANGE_PART;
    }
    if (!read_position(first, &from) || (last.len && !read_position(last, &to)))
        return RANGE_WHOLE; /* several ranges end up here, too: a comma is no digit */
    if (!last.len)
        to = UINT64_MAX;
    if (to < from)
        return RANGE_WHOLE;
    if (from >= content->size)
        return RANGE_UNSATISFIABLE;
    *offset = from;
    *length = (to < content->size ? to : content->size - 1) - from + 1;
    return RANGE_PART;
}
