/* The text format of Prometheus (version 0.0.4): families of samples, each with its type and a sentence.
 *
 * Samples of a family have to stand together. Labels are given as text that is ready ("thread=\"core\"");
 * only metrics_label() takes what comes from outside.
 */
#ifndef DBACK_CONTROL_METRICS_H
#define DBACK_CONTROL_METRICS_H

#include "base/count.h"
#include "base/text.h"

/* A family begins. `type`: "counter", "gauge" or "histogram". */
void metrics_family(struct text_buffer *out, const char *name, const char *type, const char *help);
/* A sample of it; `labels` NULL: none. */
void metrics_count(struct text_buffer *out, const char *name, const char *labels, uint64_t value);
/* Seconds, from nanoseconds. */
void metrics_seconds(struct text_buffer *out, const char *name, const char *labels, uint64_t ns);
void metrics_histogram(struct text_buffer *out, const char *name, const char *labels,
                       const struct histogram *histogram);
/* Adds up. */
void histogram_merge(struct histogram *sum, const struct histogram *more);
/* Appends name="value", with what needs it escaped. */
void metrics_label(struct text_buffer *labels, const char *name, struct str value);

#endif
