/* SPDX-License-Identifier: BSD-3-Clause */
/* When the frames of a generator are due: a rate that changes with time, and what each frame costs of it.
 *
 * Time is cut into segments in which the rate stays or rises evenly; what they hold is the area under it. A frame is due
 * when what those before it cost has been earned. All follows from the phases and the frames, nothing from when it is
 * looked at: no error adds up, and who looks seldom finds the same.
 *
 * Threads: one owner. Memory: the phases are the caller's. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/stage.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_SPIKES_MAX 8
#define WEIR_PHASES_MAX 32
#define WEIR_LINE_OVERHEAD 24 /* bytes a frame takes beside itself: preamble 8, FCS 4, gap 12 */

/* Laid out for parameters of the type WEIR_PARAM_MAPS. Times from the start of the phase, rates in one unit. */
struct weir_phase {
    uint64_t for_ns; /* 0 = it never ends */
    struct weir_rate rate;
    uint64_t poisson; /* gaps are drawn, with an exponential distribution */
    uint64_t burst;   /* so many frames come at once; 0 and 1 = each by itself */
    uint64_t n_spikes;
    struct weir_spike {
        uint64_t at_ns, for_ns, times; /* thousandths */
    } spikes[WEIR_SPIKES_MAX];
    uint64_t n_ramps;
    struct weir_ramp {
        struct weir_rate to; /* which it then keeps */
        uint64_t for_ns;
    } ramp;
    uint64_t n_on_offs;
    struct weir_on_off {
        uint64_t on_ns, off_ns;
    } on_off;
};

struct weir_schedule {
    const struct weir_phase *phases; /* over and over again */
    uint32_t n_phases;
    uint64_t line_bytes_per_s, hz, start_tsc;
    double mean_bytes; /* of a frame */
    /* The segment in hand. */
    uint32_t phase;
    uint64_t phase_ns, begin_ns, end_ns; /* phase_ns since the start, the others since that of the phase */
    uint64_t begin_tsc, end_tsc;
    double rate, slope; /* units a second, and its growth a tick, halved */
    double earned, spent;
    double each, a_byte; /* cost of a frame, and of a byte of it */
    uint64_t group;      /* of the burst in hand: frames still to come */
    uint64_t due_tsc;    /* of the frame that was paid last */
};

/* A phase whose `to` counts other things than its `rate` is the caller's mistake. */
void weir_schedule_start(struct weir_schedule *, const struct weir_phase *, uint32_t n_phases,
    uint64_t line_bytes_per_s, double mean_bytes, uint64_t hz, uint64_t now_tsc);

/* Earn what is due by now. Call it once a batch, and again where weir_schedule_due() ends before `now`. */
void weir_schedule_look(struct weir_schedule *, uint64_t now_tsc);

/* Let the frames go by that are due beyond `keep`, each as if it were of the mean size. Returns how many. */
uint64_t weir_schedule_skip(struct weir_schedule *, uint64_t now_tsc, uint64_t keep);

/* Is there one more frame? Valid after a look. */
static inline bool weir_schedule_due(const struct weir_schedule *s)
{
    return s->group != 0 || s->spent <= s->earned;
}

/* The segment has nothing more, and time has left it behind. */
static inline bool weir_schedule_is_over(const struct weir_schedule *s, uint64_t now_tsc)
{
    return now_tsc >= s->end_tsc;
}

/* Take the frame that is due; `random` is its own. Returns when it was due. */
static inline uint64_t weir_schedule_pay(struct weir_schedule *s, uint32_t bytes, uint64_t random)
{
    const struct weir_phase *p = &s->phases[s->phase];
    double cost = s->each + s->a_byte * bytes;
    if (s->group-- == 0) {
        double area = s->spent * (double)s->hz;
        area = s->slope == 0 ? area / s->rate
                             : 2 * area / (s->rate + sqrt(s->rate * s->rate + 4 * s->slope * area));
        s->due_tsc = s->begin_tsc + (uint64_t)area;
        s->group = p->burst > 1 ? p->burst - 1 : 0;
    }
    if (p->poisson)
        cost *= -log(((double)(random >> 11) + 0.5) * 0x1p-53);
    s->spent += cost;
    return s->due_tsc;
}

#ifdef __cplusplus
}
#endif
