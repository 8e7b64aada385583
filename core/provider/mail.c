/* See mail.h. */
#include "provider/mail.h"

#include <stdlib.h>

struct instance_mail *mail_create(const struct instance_mail *from)
{
    const struct str *const texts[] = {
        &from->why,      &from->server,        &from->channel,        &from->text,
        &from->user.uid, &from->user.username, &from->user.role_color
    };
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        total += texts[i]->len;
    struct instance_mail *mail = xmalloc(sizeof *mail + total);
    *mail = *from;
    struct str *const copies[] = { &mail->why,      &mail->server,        &mail->channel,        &mail->text,
                                   &mail->user.uid, &mail->user.username, &mail->user.role_color };
    char *at = (char *)(mail + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        size_t len = texts[i]->len;
        if (len)
            memcpy(at, texts[i]->ptr, len);
        *copies[i] = (struct str){ at, len };
        at += len;
    }
    return mail;
}

void instance_mail_free(struct instance_mail *mail)
{
    if (!mail)
        return;
    answer_free(mail->answer);
    free(mail);
}

void outbox_init(struct outbox *outbox, uv_async_t *wake, size_t event_limit)
{
    pthread_mutex_init(&outbox->mutex, NULL);
    mailbox_init(&outbox->inbox, wake);
    atomic_init(&outbox->closed, false);
    atomic_init(&outbox->paused, false);
    atomic_init(&outbox->events, 0);
    outbox->event_limit = event_limit;
}

void outbox_finish(struct outbox *outbox)
{
    struct mail *next;
    for (struct mail *mail = mailbox_take(&outbox->inbox); mail; mail = next) {
        next = mail->next;
        instance_mail_free((struct instance_mail *)mail);
    }
    mailbox_finish(&outbox->inbox);
    pthread_mutex_destroy(&outbox->mutex);
}

void outbox_close(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->mutex);
    atomic_store(&outbox->closed, true);
    pthread_mutex_unlock(&outbox->mutex);
}

void outbox_pause(struct outbox *outbox, bool paused)
{
    pthread_mutex_lock(&outbox->mutex);
    atomic_store(&outbox->paused, paused);
    pthread_mutex_unlock(&outbox->mutex);
}

bool outbox_post(struct outbox *outbox, struct instance_mail *mail)
{
    pthread_mutex_lock(&outbox->mutex);
    bool open = !atomic_load(&outbox->closed);
    if (open)
        mailbox_post(&outbox->inbox, &mail->mail);
    pthread_mutex_unlock(&outbox->mutex);
    if (!open)
        instance_mail_free(mail);
    return open;
}

int32_t outbox_try(const struct outbox *outbox)
{
    if (atomic_load(&outbox->closed))
        return DBACK_LATE;
    bool full = atomic_load(&outbox->events) >= outbox->event_limit;
    return full || atomic_load(&outbox->paused) ? DBACK_BUSY : DBACK_OK;
}

int32_t outbox_post_event(struct outbox *outbox, struct instance_mail *mail)
{
    pthread_mutex_lock(&outbox->mutex);
    int32_t result = outbox_try(outbox);
    if (result == DBACK_OK) {
        atomic_fetch_add(&outbox->events, 1);
        mailbox_post(&outbox->inbox, &mail->mail);
    }
    pthread_mutex_unlock(&outbox->mutex);
    if (result != DBACK_OK)
        instance_mail_free(mail);
    return result;
}

void outbox_post_last(struct outbox *outbox, struct instance_mail *mail)
{
    mailbox_post(&outbox->inbox, &mail->mail);
}
