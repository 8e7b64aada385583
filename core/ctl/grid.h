/* Tables that fit the terminal: columns as wide as what is in them, and when that is too much, the widest
 * ones are cut. Whatever could move the cursor or forge a line is made visible. */
#ifndef DBACK_CTL_GRID_H
#define DBACK_CTL_GRID_H

#include "base/text.h"

struct grid;

/* `columns`: their headings, separated by "|"; one that begins with ">" is aligned to the right. */
struct grid *grid_create(const char *columns);
void grid_finish(struct grid *grid); /* prints it and frees; without rows nothing */
/* The next cell; rows fill up from the left. */
void grid_cell(struct grid *grid, const char *format, ...) PRINTF_LIKE(2, 3);

/* How many columns the terminal has; 0: there is none, or no end. */
unsigned terminal_width(void);
/* As many columns as are wanted of it, made printable; returns how many it takes. `width` 0: all. */
unsigned append_fitting(struct text_buffer *out, struct str text, unsigned width);

#endif
