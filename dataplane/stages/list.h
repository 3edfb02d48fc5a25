/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages of this version. */
#pragma once

#include "dataplane/stage.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct weir_stage_def weir_stage_validate, weir_stage_classify, weir_stage_admit,
    weir_stage_burn, weir_stage_meter, weir_stage_tee, weir_stage_transmit, weir_stage_reflect,
    weir_stage_write, weir_stage_sink;

#ifdef __cplusplus
}
#endif
