/* Built for another major version of the ABI. */
#define MAJOR 2
#include "bad.h"
