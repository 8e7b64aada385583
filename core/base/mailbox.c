/* See mailbox.h. */
#include "base/mailbox.h"

void mailbox_init(struct mailbox *box, uv_async_t *wake)
{
    pthread_mutex_init(&box->mutex, NULL);
    box->first = NULL;
    box->last = &box->first;
    box->wake = wake;
}

void mailbox_finish(struct mailbox *box)
{
    pthread_mutex_destroy(&box->mutex);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->mutex);
    bool was_empty = !box->first;
    *box->last = mail;
    box->last = &mail->next;
    /* Under the mutex: mailbox_close() then really means that the handle is no longer touched. */
    if (was_empty && box->wake)
        uv_async_send(box->wake);
    pthread_mutex_unlock(&box->mutex);
}

void mailbox_close(struct mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    box->wake = NULL;
    pthread_mutex_unlock(&box->mutex);
}

struct mail *mailbox_take(struct mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    struct mail *first = box->first;
    box->first = NULL;
    box->last = &box->first;
    pthread_mutex_unlock(&box->mutex);
    return first;
}
