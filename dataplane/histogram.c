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

void weir_histogram_add(struct weir_histogram *to, const struct weir_histogram *from)
{
    for (uint32_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++)
        to->buckets[i].value += weir_counter_read(&from->buckets[i]);
    uint64_t max = weir_counter_read(&from->max); /* after the buckets */
    to->max.value = max > to->max.value ? max : to->max.value;
}

uint64_t weir_histogram_count(const struct weir_histogram *h)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++)
        n += h->buckets[i].value;
    return n;
}

double weir_histogram_sum(const struct weir_histogram *h)
{
    double sum = 0;
    for (uint32_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++)
        sum += (double)h->buckets[i].value * (double)value_of(i);
    return sum;
}

uint64_t weir_histogram_quantile(const struct weir_histogram *h, double q)
{
    uint64_t n = weir_histogram_count(h);
    double wanted = q * (double)n;
    uint64_t rank = (uint64_t)wanted + ((double)(uint64_t)wanted < wanted), seen = 0;
    rank = rank == 0 ? 1 : rank;
    if (rank >= n)
        return h->max.value;
    uint32_t i = 0;
    while ((seen += h->buckets[i].value) < rank)
        i++;
    return value_of(i) < h->max.value ? value_of(i) : h->max.value;
}

uint64_t weir_histogram_until(const struct weir_histogram *h, uint64_t value)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i <= weir_histogram_bucket(value); i++)
        n += h->buckets[i].value;
    return n;
}
