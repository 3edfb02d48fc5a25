/* SPDX-License-Identifier: BSD-3-Clause */
/* The drain certificate: the last thing a run says, and its exit code. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For people: one line with the balance, then where every packet went, then in plain words what is wrong. */
void weir_certificate_text(const struct weir_snapshot *, FILE *);

/* The same for programs: one object, stable keys; what is unknown or not measured is null. 0, -ENOMEM, or -EIO: `to`
 * does not take it. */
int weir_certificate_json(const struct weir_snapshot *, FILE *);
json_t *weir_certificate_tree(const struct weir_snapshot *);

/* 70 if a packet is lost, counted twice or leaked, or the checking sink saw one out of order or twice; else
 * 75 if packets were dropped at the drain deadline or left with a stuck worker; else 71 if a
 * stage could not do its work outside of the pipeline, as a `write` on a full disk; else 0. */
int weir_certificate_exit_code(const struct weir_snapshot *);

#ifdef __cplusplus
}
#endif
