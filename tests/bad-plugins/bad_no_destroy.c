/* destroy is mandatory. */
#define FUNCTIONS .create = create
#include "bad.h"
