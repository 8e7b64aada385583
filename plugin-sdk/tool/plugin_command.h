/* `d-backctl plugin ...`: what somebody who writes a provider needs besides the header.
 *
 *   new NAME [DIR]    a small project to start from
 *   check FILE.so     runs a provider without d-back and says what it does wrong
 *   info FILE.so      what it says of itself, without running any of it
 */
#ifndef DBACK_TOOL_PLUGIN_COMMAND_H
#define DBACK_TOOL_PLUGIN_COMMAND_H

/* argv[0] is "plugin"; writes to standard output and error. The exit code: 0, 1 (something is wrong with the
 * provider, or couldn't be done), 2 (wrong usage). Its checks fork: to be called while there is no other
 * thread. */
int plugin_command(int argc, char **argv);

#endif
