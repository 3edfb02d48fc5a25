/* SPDX-License-Identifier: BSD-3-Clause */
/* transmit: the port a packet came from says through which port it leaves. */
#include "dataplane/leave.h"
#include "dataplane/stages/list.h"

static const char *const reasons[] = {WEIR_LEAVE_BACK_REASONS, "unmapped_port", NULL};

static const struct weir_param params[] = {
    {.key = "*",
        .type = WEIR_PARAM_PORT_MAP,
        .help = "input port: output port; every port that feeds the pool"},
    {.key = NULL},
};

static void process(struct weir_stage *s, struct weir_batch *batch)
{
    weir_leave(s, batch, s->params);
}

const struct weir_stage_def weir_stage_transmit = {
    .name = "transmit",
    .help = "sends each packet through the port that its input port maps to",
    .params = params,
    .params_size = sizeof(struct weir_port_map),
    .reasons = reasons,
    .terminal = true,
    .sends = WEIR_SENDS_AS_MAPPED,
    .worker_size = weir_leave_size,
    .process = process,
};
