/* The control socket's file.
 *
 * A daemon that was killed leaves its file behind, and a second daemon must not take the socket of one that
 * runs. So a file that is there is knocked at: when nobody answers it is removed. While that is decided the
 * folder is locked, because two daemons that start together would else remove each other's.
 */
#ifndef DBACK_CONTROL_SOCKET_H
#define DBACK_CONTROL_SOCKET_H

#include "base/base.h"

#include <sys/types.h>

struct control_socket {
    char *path; /* NULL: there is none */
    dev_t device;
    ino_t inode;
};

/* [app] Listens at `path`, for the process' user and group (0660). `own_folder`: the folder is made if need
 * be, and it must be nobody else's. Returns the socket, or a negative errno and a sentence. */
int control_socket_listen(struct control_socket *socket, const char *path, bool own_folder, char *err);
/* [app] Removes the file, if it is still that one: to be called before the socket is closed, because then the
 * number by which the file is known may be given to another. */
void control_socket_remove(struct control_socket *socket);

#endif
