/* SPDX-License-Identifier: BSD-3-Clause */
/* The highest rate that passes a trial, on a scale of ratios, where a trial may fail by chance. It knows
 * neither clock nor device: who asks runs the trials. */
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_search {
    double next;      /* what to try */
    double low, high; /* the highest that passed, the lowest that failed; 0 = none yet */
    double least, most, resolution;
    double step;             /* while only one of low and high is known */
    unsigned passed, failed; /* trials of `next` */
    bool confirms;
};

/* Around `first`; what is below `least` is nothing, what would be above `most` is `most`. It ends when low and high are no
 * more than `resolution` apart, 0.02 for 2 %. */
void weir_search_begin(struct weir_search *, double first, double least, double most, double resolution);

/* What became of the trial of `next`. True: try `next`. False: it is over, and `low` is the answer, confirmed by two of up to
 * three more trials; 0 = nothing passes. A rate fails by two trials of three, so a stall of the machine is no verdict. */
bool weir_search_tell(struct weir_search *, bool passed);

#ifdef __cplusplus
}
#endif
