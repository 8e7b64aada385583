/* Commands on standard input, one a line, for programs that serve sockets meanwhile: descriptor 0 is watched
 * like any other, and what has come is read without waiting.
 */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

#include <stdbool.h>

/* After descriptor 0 became readable. Returns the next complete line, without its end, until the next call;
 * NULL: none is complete. At the end of the input *ret_ended is set. */
char *commands_next(bool *ret_ended);

#endif
