/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration between load.c (text to values and indices) and check.c (does it make sense together?). */
#pragma once

#include "config/complaints.h"
#include "config/config.h"
#include "config/key_table.h"

/* What a stage may find of a packet. */
enum weir_draft_fact { WEIR_DRAFT_FLOW, WEIR_DRAFT_CLASS, WEIR_DRAFT_FACTS };

/* Beside each weir_config_pool, with what the result no longer needs. */
struct weir_draft_pool {
    struct weir_place *from_places; /* of each item of `from` */
    bool from_known;                /* `from` was read without a mistake */
    /* check.c */
    int32_t consumer;               /* pool that this one feeds, -1 = none */
    bool packets[WEIR_DRAFT_FACTS]; /* found of every packet that leaves */
    bool copies[WEIR_DRAFT_FACTS];  /* that leaves by the `tee` */
    int32_t reorders;               /* pool on the way here, or this one, that reorders a flow, -1 = none */
};

struct weir_draft {
    struct weir_config *config;
    const struct weir_vocabulary *vocabulary;
    struct weir_complaints *complaints;
    struct weir_draft_pool *pools; /* parallel to config->pools, in file order */
    bool graph_known;              /* all names, every `from` and all stages were read without a mistake */
};

/* Complain of what does not fit together; sort config->pools so that each stands after all that feed it. */
void weir_check(struct weir_draft *);
