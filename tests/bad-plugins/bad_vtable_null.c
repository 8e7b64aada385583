/* It has no vtable. */
#define VTABLE NULL
#include "bad.h"
