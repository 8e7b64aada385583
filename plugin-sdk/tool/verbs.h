/* The verbs of plugin_command.h. argv[0] is the verb. */
#ifndef DBACK_TOOL_VERBS_H
#define DBACK_TOOL_VERBS_H

int verb_new(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_info(int argc, char **argv);

/* Says what was wrong with the usage, and where to read on; 2. */
int wrong_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
