/* create is mandatory. */
#define FUNCTIONS .destroy = destroy
#include "bad.h"
