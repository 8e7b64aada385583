/* What became of the checks: as lines for people, as they come, or as one JSON document. */
#ifndef DBACK_TOOL_REPORT_H
#define DBACK_TOOL_REPORT_H

#include "plan.h"
#include "trial.h"

struct report;

enum report_form { REPORT_LINES, REPORT_ALL_LINES, REPORT_JSON };

struct report *report_begin(enum report_form form, const struct plan *plan);
void report_result(struct report *report, const struct result *result);
/* The last words; how many failed. Frees it. */
unsigned report_end(struct report *report);

#endif
