/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/histogram.h"

#include <assert.h>

static_assert(sizeof(struct weir_histogram) < 16 * 1024, "as small as its header says");

/* The middle of what the bucket holds. */
static uint64_t value_of(uint32_t bucket)
{
    uint32_t shift = bucket >> WEIR_HISTOGRAM_BITS, sub = 1u << WEIR_HISTOGRAM_BITS;
    if (shift == 0)
        return bucket;
    shift--;
    return ((uint64_t)((bucket & (sub - 1)) + sub) << shift) + ((UINT64_C(1) << shift) - 1) / 2;
}

/* Of the last bucket that is not empty, one more: the max is written first. */
static uint32_t end_of(uint64_t max)
{
    return weir_histogram_bucket(max) + 1;
}

/* The max before the buckets: those beyond it would be seen without. */
void weir_histogram_add(struct weir_histogram *to, const struct weir_histogram *from)
{
    uint64_t max = weir_counter_read(&from->max);
    for (uint32_t i = 0; i < end_of(max); i++)
        to->buckets[i].value += weir_counter_read(&from->buckets[i]);
    to->max.value = max > to->max.value ? max : to->max.value;
}

struct weir_histogram_walk weir_histogram_start(const struct weir_histogram *h)
{
    struct weir_histogram_walk w = {.of = h};
    for (uint32_t i = 0; i < end_of(h->max.value); i++)
        w.count += h->buckets[i].value;
    return w;
}

/* On until so many have been passed, or to the end. */
static void go(struct weir_histogram_walk *w, uint64_t n, uint32_t end)
{
    for (; w->next < end && w->passed < n; w->next++) {
        uint64_t here = w->of->buckets[w->next].value;
        w->passed += here;
        w->sum += (double)here * (double)value_of(w->next);
    }
}

uint64_t weir_histogram_quantile(struct weir_histogram_walk *w, double q)
{
    double wanted = q * (double)w->count;
    uint64_t rank = (uint64_t)wanted + ((double)(uint64_t)wanted < wanted), max = w->of->max.value;
    go(w, rank == 0 ? 1 : rank, end_of(max));
    return rank < w->count && value_of(w->next - 1) < max ? value_of(w->next - 1) : max;
}

uint64_t weir_histogram_until(struct weir_histogram_walk *w, uint64_t value)
{
    go(w, UINT64_MAX, end_of(value < w->of->max.value ? value : w->of->max.value));
    return w->passed;
}
