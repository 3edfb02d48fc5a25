/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/list.h"

#include <string.h>

/* In the order that documentation shows them: as a packet usually meets them. */
const struct weir_stage_def *const weir_stage_list[] = {
    &weir_stage_validate,
    &weir_stage_classify,
    &weir_stage_admit,
    &weir_stage_burn,
    &weir_stage_meter,
    &weir_stage_tee,
    &weir_stage_transmit,
    &weir_stage_reflect,
    &weir_stage_write,
    &weir_stage_sink,
    NULL,
};

const struct weir_stage_def *weir_stage_find(const char *name)
{
    for (const struct weir_stage_def *const *def = weir_stage_list; *def; def++)
        if (strcmp((*def)->name, name) == 0)
            return *def;
    return NULL;
}
