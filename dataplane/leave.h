/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out through a port, as the stages that transmit share it. */
#pragma once

#include "dataplane/stage.h"

/* The first drop reasons of a stage that transmits, in this order. */
enum { WEIR_LEAVE_ABOVE_MTU, WEIR_LEAVE_TX_FULL, WEIR_LEAVE_PORT_CLOSED, WEIR_LEAVE_UNMAPPED };
#define WEIR_LEAVE_BACK_REASONS "above_mtu", "tx_full", "port_closed"

/* Of the stage's worker state, which is used for nothing else. */
size_t weir_leave_size(const void *params, const struct weir_stage_env *);

/* The whole batch leaves, through the port that the input port of each packet maps to; NULL = the one it came from. What
 * does not fit or is not taken is dropped, by name. */
void weir_leave(struct weir_stage *, struct weir_batch *, const struct weir_port_map *);
