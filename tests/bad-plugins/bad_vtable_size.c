/* Its vtable says that it ends before destroy. */
#define VTABLE_SIZE offsetof(dback_vtable, destroy)
#include "bad.h"
