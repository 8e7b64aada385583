/* See source.h. */
#include "config/source.h"

#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file on its way into the source. */
struct scan {
    struct source *source;
    struct mistakes *mistakes;
    const char *at, *end;
    unsigned file, line, depth;
    bool broken; /* something that makes reading on pointless */
};

static void begin_line(struct source *source, unsigned file, unsigned line)
{
    if (source->line_count == source->line_capacity) {
        source->line_capacity = source->line_capacity ? source->line_capacity * 2 : 128;
        source->lines = xrealloc(source->lines, source->line_capacity * sizeof *source->lines);
    }
    source->lines[source->line_count++] = (struct source_line){ file, line };
}

static void copy(struct scan *scan, size_t len)
{
    for (; len > 0; len--) {
        char byte = *scan->at++;
        text_append(&scan->source->text, &byte, 1);
        if (byte == '\n')
            begin_line(scan->source, scan->file, ++scan->line);
    }
}

static bool ahead(const struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, text, len) == 0;
}

static char *place_of(const struct scan *scan, unsigned line)
{
    struct text_buffer place = { 0 };
    text_appendf(&place, "%s:%u", scan->source->files[scan->file].shown, line);
    return place.ptr;
}

static void scan_mistake(struct scan *scan, unsigned line, const char *what)
{
    char *place = place_of(scan, line);
    mistake(scan->mistakes, place, "%s", what);
    free(place);
}

static void scan_rest_of_line(struct scan *scan)
{
    const char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    copy(scan, (size_t)((newline ? newline : scan->end) - scan->at));
}

static void scan_block_comment(struct scan *scan)
{
    unsigned first = scan->line;
    copy(scan, 2);
    while (scan->at < scan->end && !ahead(scan, "*/"))
        copy(scan, 1);
    if (scan->at < scan->end) {
        copy(scan, 2);
        return;
    }
    scan_mistake(scan, first, "this comment isn't closed; it ends with */");
    scan->broken = true;
}

static void scan_string(struct scan *scan)
{
    unsigned first = scan->line;
    copy(scan, 1);
    while (scan->at < scan->end && *scan->at != '"') {
        if (ahead(scan, "\\x00") || ahead(scan, "\\X00"))
            scan_mistake(scan, scan->line, "a string can't hold \\x00; leave it out");
        copy(scan, *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1);
    }
    if (scan->at < scan->end) {
        copy(scan, 1);
        return;
    }
    scan_mistake(scan, first, "this string isn't closed; it ends with \"");
    scan->broken = true;
}

/* ------------------------------------------------------------------ numbers, as libconfig's lexer sees them
 */

static size_t count_of(const char *p, const char *end, const char *bytes)
{
    size_t n = 0;
    while (p + n < end && p[n] && strchr(bytes, p[n]))
        n++;
    return n;
}

#define DIGITS "0123456789"

static size_t exponent_length(const char *p, const char *end)
{
    if (p >= end || (*p != 'e' && *p != 'E'))
        return 0;
    size_t n = 1 + (p + 1 < end && (p[1] == '+' || p[1] == '-'));
    size_t digits = p + n < end ? count_of(p + n, end, DIGITS) : 0;
    return digits ? n + digits : 0;
}

/* 0: there is no number with a point or an exponent. */
static size_t decimal_length(const char *p, const char *end)
{
    size_t n = *p == '+' || *p == '-';
    size_t whole = count_of(p + n, end, DIGITS);
    n += whole;
    bool point = p + n < end && p[n] == '.';
    if (point)
        n += 1 + count_of(p + n + 1, end, DIGITS);
    size_t exponent = exponent_length(p + n, end);
    return point || (whole && exponent) ? n + exponent : 0;
}

static size_t integer_length(const char *p, const char *end, int *base)
{
    *base = 10;
    if (*p == '0' && end - p > 2 && (p[1] == 'x' || p[1] == 'X')) {
        size_t hex = count_of(p + 2, end, DIGITS "abcdefABCDEF");
        if (hex) {
            *base = 16;
            return 2 + hex;
        }
    }
    size_t sign = *p == '+' || *p == '-', digits = count_of(p + sign, end, DIGITS);
    return digits ? sign + digits : 0;
}

static void scan_integer(struct scan *scan, size_t len, int base)
{
    char *digits = xstrndup(scan->at, len);
    errno = 0;
    long long nearest = strtoll(digits, NULL, base);
    if (errno == ERANGE) {
        /* Without its digits: it may stand in `options` and be a secret. */
        scan_mistake(
            scan, scan->line,
            "a number is too large; allowed: -9223372036854775808 to 9223372036854775807, or a string");
        text_appendf(&scan->source->text, "%lld", nearest);
        scan->at += len;
    } else {
        copy(scan, len);
    }
    free(digits);
    size_t marks = count_of(scan->at, scan->end, "L");
    scan->at += marks < 2 ? marks : 2;
    text_append_literal(&scan->source->text, "L");
}

static void scan_number(struct scan *scan)
{
    int base;
    size_t decimal = decimal_length(scan->at, scan->end);
    size_t integer = integer_length(scan->at, scan->end, &base);
    if (integer > decimal)
        scan_integer(scan, integer, base);
    else
        copy(scan, decimal ? decimal : 1);
}

/* ------------------------------------------------------------------ files */

static const char *read_regular_file(const char *path, size_t most, struct text_buffer *out)
{
    /* Without O_NONBLOCK the opening of a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return strerror(errno);
    struct stat status;
    const char *why = NULL;
    if (fstat(fd, &status) < 0)
        why = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        why = S_ISDIR(status.st_mode) ? "it is a folder" : "it isn't a regular file";
    while (!why) {
        char block[16384];
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            break;
        if (n > 0)
            text_append(out, block, (size_t)n);
        else if (errno != EINTR)
            why = strerror(errno);
        if (out->len > most)
            why = "it is longer than 1048576 bytes (with what it includes)";
    }
    close(fd);
    if (!why && out->len && memchr(out->ptr, '\0', out->len))
        why = "it isn't text (a zero byte is in it)";
    return why;
}

static bool scan_file(struct source *source, const char *path, const char *place, unsigned depth,
                      struct mistakes *mistakes);

/* At `@include`, at the beginning of a line. */
static void scan_include(struct scan *scan)
{
    const char *p = scan->at + strlen("@include");
    p += count_of(p, scan->end, " \t");
    struct text_buffer path = { 0 };
    for (p++; p < scan->end && *p != '"' && *p != '\n'; p++) {
        if (*p == '\\' && scan->end - p > 1)
            p++;
        text_append(&path, p, 1);
    }
    char *place = place_of(scan, scan->line);
    bool complete = p < scan->end && *p == '"' && path.len > 0;
    if (!complete) {
        mistake(scan->mistakes, place, "this isn't complete; write @include \"FILE\"");
        scan->broken = true;
    } else {
        p++;
        text_append(&path, "", 1);
        char *folder = path_folder(scan->source->files[scan->file].shown);
        char *file = strcmp(folder, ".") == 0 ? xstrdup(path.ptr) : path_join(folder, path.ptr);
        scan->broken |= !scan_file(scan->source, file, place, scan->depth + 1, scan->mistakes);
        begin_line(scan->source, scan->file, scan->line); /* for the rest of this one */
        free(folder);
        free(file);
    }
    free(place);
    text_finish(&path);
    scan->at = p;
    if (!complete)
        scan_rest_of_line(scan);
}

static bool include_ahead(const struct scan *scan)
{
    if (!ahead(scan, "@include"))
        return false;
    const char *p = scan->at + strlen("@include");
    size_t blanks = count_of(p, scan->end, " \t");
    return blanks && p + blanks < scan->end && p[blanks] == '"';
}

static void scan_at_sign(struct scan *scan, bool line_begins)
{
    if (line_begins && include_ahead(scan)) {
        scan_include(scan);
        return;
    }
    scan_mistake(scan, scan->line, "unexpected @; allowed: a line that begins with @include \"FILE\"");
    scan->broken = true;
    scan_rest_of_line(scan);
}

static void scan_text(struct scan *scan)
{
    bool line_begins = true;
    while (scan->at < scan->end) {
        char c = *scan->at;
        bool blank = c == ' ' || c == '\t';
        if ((c == '=' || c == ':') && ++scan->source->keys > SOURCE_KEYS_MOST) {
            scan_mistake(scan, scan->line, "too many keys; allowed: 10000, with what is included");
            scan->broken = true;
            return;
        }
        if (c == '#' || ahead(scan, "//"))
            scan_rest_of_line(scan);
        else if (ahead(scan, "/*"))
            scan_block_comment(scan);
        else if (c == '"')
            scan_string(scan);
        else if (c == '@')
            scan_at_sign(scan, line_begins);
        else if (strchr(DIGITS "+-.", c))
            scan_number(scan);
        else if (c == '*' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            copy(scan, count_of(scan->at, scan->end,
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_*" DIGITS));
        else
            copy(scan, 1);
        line_begins = c == '\n' || (blank && line_begins);
    }
}

/* Appends the file at `path`; each piece begins and ends with a line of its own. */
static bool scan_file(struct source *source, const char *path, const char *place, unsigned depth,
                      struct mistakes *mistakes)
{
    struct text_buffer content = { 0 };
    const char *why = depth > SOURCE_DEPTH_MOST                 ? "too many files include each other"
                      : source->file_count == SOURCE_FILES_MOST ? "too many files are included"
                                                                : NULL;
    if (!why)
        why = read_regular_file(path, SOURCE_SIZE_MOST - source->bytes, &content);
    if (why) {
        mistake(mistakes, place, "\"%s\" can't be read: %s; allowed: a regular file that d-back may read",
                path, why);
        text_finish(&content);
        return false;
    }
    char *absolute = path_absolute(path);
    source->files[source->file_count] = (struct source_file){ xstrdup(path), path_folder(absolute) };
    free(absolute);
    source->bytes += content.len;
    struct scan scan = {
        .source = source, .mistakes = mistakes, .depth = depth, .line = 1, .file = source->file_count++
    };
    if (source->text.len && source->text.ptr[source->text.len - 1] != '\n')
        text_append_literal(&source->text, "\n");
    else if (source->line_count)
        source->line_count--;
    begin_line(source, scan.file, 1);
    if (content.len) {
        bool marked = content.len >= 3 && memcmp(content.ptr, "\xef\xbb\xbf", 3) == 0; /* byte order mark */
        scan.at = content.ptr + (marked ? 3 : 0);
        scan.end = content.ptr + content.len;
        scan_text(&scan);
    }
    text_append_literal(&source->text, "\n");
    text_finish(&content);
    return !scan.broken;
}

bool source_read(struct source *source, const char *path, const char *place, struct mistakes *mistakes)
{
    *source = (struct source){ 0 };
    bool whole = scan_file(source, path, place, 1, mistakes);
    text_append(&source->text, "", 1);
    source->text.len--;
    return whole;
}

void source_finish(struct source *source)
{
    text_finish(&source->text);
    free(source->lines);
    for (unsigned i = 0; i < source->file_count; i++) {
        free(source->files[i].shown);
        free(source->files[i].folder);
    }
    *source = (struct source){ 0 };
}

static struct source_line line_at(const struct source *source, unsigned line)
{
    if (source->line_count == 0)
        return (struct source_line){ 0 };
    return source->lines[line == 0 ? 0 : line <= source->line_count ? line - 1 : source->line_count - 1];
}

char *source_place(const struct source *source, unsigned line)
{
    struct source_line at = line_at(source, line);
    struct text_buffer place = { 0 };
    text_appendf(&place, "%s:%u", source->files[at.file].shown, at.line);
    return place.ptr;
}

unsigned source_line_number(const struct source *source, unsigned line)
{
    return line_at(source, line).line;
}

const char *source_folder(const struct source *source, unsigned line)
{
    return source->files[line_at(source, line).file].folder;
}
