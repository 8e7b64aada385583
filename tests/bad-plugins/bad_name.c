/* A name that would break a line of the log. */
#define NAME "bad\nname\x1b[31m"
#include "bad.h"
