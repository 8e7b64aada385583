/* dback_provider is something else. */
#define MAGIC 0x12345678
#include "bad.h"
