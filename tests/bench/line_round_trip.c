/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a cache line takes from one CPU to another and back, in TSC cycles.
 *
 *     line_round_trip CPU_A CPU_B          prints `{"median": 301, "p10": 295, "p90": 340, "tsc_hz": 2100000000}`
 *
 * Two cores of a virtual machine may sit next to each other at one moment and on two dies at the next, and nothing
 * but this measurement tells. So every benchmark prints it before and after each of its rounds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rings/atomic.h"
#include "tests/bench/cpu.h"

#define SAMPLES 200
#define TRIPS 500 /* in a sample: about 0.1 ms, shorter than most disturbances */
#define WARM_UP 20

static struct {
    WEIR_CACHE_ALIGNED uint32_t turn; /* odd = B's; both write, never at once */
} line;

static void *answer(void *cpu)
{
    if (!pin(*(int *)cpu))
        return cpu;
    for (uint32_t turn = 1; turn < 2 * (SAMPLES + WARM_UP) * TRIPS; turn += 2) {
        while (weir_load_acquire(&line.turn) != turn) /* [B1] pairs with [B2] in main */
            ;
        weir_store_release(&line.turn, turn + 1); /* [B3] pairs with [B4] in main */
    }
    return NULL;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int read_cpu(const char *text)
{
    char *end;
    long cpu = strtol(text, &end, 10);
    return *text == '\0' || *end != '\0' || cpu < 0 || cpu >= CPU_SETSIZE ? -1 : (int)cpu;
}

int main(int argc, char **argv)
{
    int a = argc == 3 ? read_cpu(argv[1]) : -1, b = argc == 3 ? read_cpu(argv[2]) : -1;
    if (a < 0 || b < 0 || a == b) {
        fprintf(stderr, "usage: line_round_trip CPU_A CPU_B   (two different CPUs)\n");
        return 64;
    }
    /* Tried here, where a refusal can still be reported: B's thread would leave A waiting for ever. */
    int refused = !pin(b) ? b : !pin(a) ? a : -1;
    if (refused >= 0) {
        fprintf(stderr, "line_round_trip: CPU %d: not allowed to run there\n", refused);
        return 71;
    }
    pthread_t other;
    int error = pthread_create(&other, NULL, answer, &b);
    if (error != 0) {
        fprintf(stderr, "line_round_trip: no thread: %s\n", strerror(error));
        return 71;
    }
    double trip[SAMPLES];
    uint32_t turn = 0;
    for (int sample = -WARM_UP; sample < SAMPLES; sample++) {
        uint64_t start = __rdtsc();
        for (int i = 0; i < TRIPS; i++) {
            weir_store_release(&line.turn, turn + 1); /* [B2] pairs with [B1] in answer */
            turn += 2;
            while (weir_load_acquire(&line.turn) != turn) /* [B4] pairs with [B3] in answer */
                ;
        }
        if (sample >= 0)
            trip[sample] = (double)(__rdtsc() - start) / TRIPS;
    }
    pthread_join(other, NULL);
    qsort(trip, SAMPLES, sizeof trip[0], compare);
    printf("{\"median\": %.0f, \"p10\": %.0f, \"p90\": %.0f, \"tsc_hz\": %.0f}\n", trip[SAMPLES / 2],
        trip[SAMPLES / 10], trip[SAMPLES - SAMPLES / 10], measure_tsc_hz());
    return 0;
}
