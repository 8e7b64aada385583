/* It can't live without what a later minor version brings. */
#define NEED_MINOR 999
#include "bad.h"
