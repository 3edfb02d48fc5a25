/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a cache line takes to go and come back between the two CPUs of each ring.
 *
 * The machine's description does not tell: the cores of a virtual machine may sit next to each other at one moment and
 * on two dies at the next. Control thread, after weir_runtime_build(), before the workers start. */
#pragma once

struct weir_runtime;

/* Measure, about 1 ms a pair of CPUs, and log one line an edge of the pipeline. */
void weir_round_trips(const struct weir_runtime *);
