/* The process as the kernel sees it: memory, CPU time, descriptors. */
#ifndef DBACK_CONTROL_PROCESS_H
#define DBACK_CONTROL_PROCESS_H

#include "base/text.h"

/* The usual process_* metrics of Prometheus; what /proc doesn't tell is left out. */
void process_write_metrics(struct text_buffer *out);

#endif
