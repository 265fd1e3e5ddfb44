/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pages of `mq help TOPIC`: what several commands share. */
#ifndef TOPICS_H
#define TOPICS_H

typedef struct mq_topic {
    const char *name, *text;
    char *(*table)(void); /* printed behind the text, then freed; NULL: none */
} mq_topic;

/* Ends with a NULL name. */
extern const mq_topic mq_topics[];

#endif
