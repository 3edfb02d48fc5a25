/* SPDX-License-Identifier: BSD-3-Clause */
/* What the explorer runs: scenarios on the rings, each with its bounds. */
#pragma once

#include <vector>

#include "tests/model/explorer.h"

struct Bound {
    uint32_t capacity, start, items; /* items: what each producer moves */
};

struct Case {
    ModelScenario scenario;
    std::vector<Bound> suite, more, walks; /* by default; with --long; with --random */
};

extern Bound bound; /* of the running scenario */
extern const std::vector<Case> cases;
