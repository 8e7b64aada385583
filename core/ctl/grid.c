/* See grid.h. */
#include "ctl/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define COLUMNS_MAX 12
#define COLUMN_LEAST 4 /* isn't cut any further */
#define BETWEEN 2

struct grid {
    size_t columns;
    bool right[COLUMNS_MAX];
    char **cells; /* row by row, the headings first */
    size_t count, capacity;
};

unsigned terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (columns && atoi(columns) > 0)
        return (unsigned)atoi(columns);
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* Columns that the character at p takes; `*bytes`: how long it is. */
static unsigned character_width(const char *p, size_t left, size_t *bytes)
{
    wchar_t c;
    mbstate_t state = { 0 };
    size_t n = mbrtowc(&c, p, left, &state);
    *bytes = n == 0 || n > left ? 1 : n;
    int width = n > left ? 1 : wcwidth(c);
    return width < 0 ? 1 : (unsigned)width;
}

static unsigned text_width(struct str text)
{
    unsigned width = 0;
    for (size_t i = 0, n; i < text.len; i += n)
        width += character_width(text.ptr + i, text.len - i, &n);
    return width;
}

unsigned append_fitting(struct text_buffer *out, struct str text, unsigned most)
{
    struct text_buffer shown = { 0 };
    text_append_printable(&shown, text);
    struct str whole = { shown.ptr, shown.len };
    unsigned width = text_width(whole), used = 0;
    if (!most || width <= most) {
        text_append_str(out, whole);
        text_finish(&shown);
        return width;
    }
    for (size_t i = 0, n; i < whole.len; i += n) {
        unsigned wide = character_width(whole.ptr + i, whole.len - i, &n);
        if (used + wide > most - 1)
            break;
        text_append(out, whole.ptr + i, n);
        used += wide;
    }
    text_append_literal(out, "\xe2\x80\xa6");
    text_finish(&shown);
    return used + 1;
}

static void add(struct grid *grid, const char *text, size_t len)
{
    struct text_buffer shown = { 0 };
    if (grid->count == grid->capacity) {
        grid->capacity = grid->capacity ? grid->capacity * 2 : 64;
        grid->cells = xrealloc(grid->cells, grid->capacity * sizeof *grid->cells);
    }
    text_append_printable(&shown, (struct str){ text, len });
    text_append(&shown, "", 1);
    grid->cells[grid->count++] = shown.ptr;
}

struct grid *grid_create(const char *columns)
{
    struct grid *grid = xcalloc(1, sizeof *grid);
    for (const char *p = columns; *p && grid->columns < COLUMNS_MAX; p += *p == '|') {
        grid->right[grid->columns++] = *p == '>';
        p += *p == '>';
        size_t len = strcspn(p, "|");
        add(grid, p, len);
        p += len;
    }
    return grid;
}

void grid_cell(struct grid *grid, const char *format, ...)
{
    struct text_buffer text = { 0 };
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text_reserve(&text, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text.ptr, (size_t)len + 1, format, args);
    va_end(args);
    add(grid, text.ptr, (size_t)len);
    text_finish(&text);
}

/* Cuts the widest columns until all fit. */
static void fit(unsigned widths[COLUMNS_MAX], size_t columns, unsigned room)
{
    for (;;) {
        unsigned total = (unsigned)(columns - 1) * BETWEEN;
        size_t widest = 0;
        for (size_t c = 0; c < columns; c++) {
            total += widths[c];
            widest = widths[c] > widths[widest] ? c : widest;
        }
        if (!room || total <= room || widths[widest] <= COLUMN_LEAST)
            return;
        widths[widest]--;
    }
}

static void print_row(const struct grid *grid, char *const *cells, const unsigned widths[COLUMNS_MAX])
{
    struct text_buffer line = { 0 };
    for (size_t c = 0; c < grid->columns; c++) {
        struct text_buffer cell = { 0 };
        unsigned used = append_fitting(&cell, str_of(cells[c]), widths[c]);
        int space = used < widths[c] ? (int)(widths[c] - used) : 0;
        bool last = c + 1 == grid->columns;
        if (grid->right[c])
            text_appendf(&line, "%*s", space, "");
        text_append(&line, cell.ptr, cell.len);
        if (!last)
            text_appendf(&line, "%*s", (grid->right[c] ? 0 : space) + BETWEEN, "");
        text_finish(&cell);
    }
    fwrite(line.ptr, 1, line.len, stdout);
    putchar('\n');
    text_finish(&line);
}

void grid_finish(struct grid *grid)
{
    unsigned widths[COLUMNS_MAX] = { 0 };
    size_t rows = grid->count / grid->columns;
    for (size_t i = 0; i < rows * grid->columns; i++) {
        unsigned width = text_width(str_of(grid->cells[i]));
        size_t c = i % grid->columns;
        widths[c] = width > widths[c] ? width : widths[c];
    }
    fit(widths, grid->columns, terminal_width());
    for (size_t row = 0; rows > 1 && row < rows; row++)
        print_row(grid, grid->cells + row * grid->columns, widths);
    for (size_t i = 0; i < grid->count; i++)
        free(grid->cells[i]);
    free(grid->cells);
    free(grid);
}
