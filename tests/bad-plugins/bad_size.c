/* Its entry ends before the vtable. */
#define ENTRY_SIZE offsetof(dback_entry, vtable)
#include "bad.h"
