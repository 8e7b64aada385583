/* It calls a function that no library has. */
void nobody_has_this_function(void);
#define FUNCTIONS .create = create, .destroy = destroy, .quiesce = quiesce
static void quiesce(void *self)
{
    (void)self;
    nobody_has_this_function();
}
#include "bad.h"
