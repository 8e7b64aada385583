/* watched tells of servers whose users it answers, and it answers none. */
#define FUNCTIONS .create = create, .destroy = destroy, .watched = watched
#include "bad.h"
