/* SPDX-License-Identifier: BSD-3-Clause */
/* A hand-made snapshot: two ingress workers, two work workers, one sink, everything balanced. */
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "workers/snapshot.h"

struct Sample : weir_snapshot {
    weir_snapshot_port port[2] = {};
    weir_snapshot_worker worker[4] = {};
    weir_snapshot_stage stage[5] = {};
    weir_snapshot_ring ring[4] = {};
    weir_named_count drop[5] = {{"rate", nullptr, 4560, nullptr}, {"invalid", nullptr, 6, nullptr},
        {"inbox_full", nullptr, 0, nullptr}, {"port_tx_error", nullptr, 0, nullptr},
        {"drain_deadline", nullptr, 0, nullptr}};
    weir_named_count invalid = {"invalid", nullptr, 6, nullptr};
    weir_named_count rate = {"rate", nullptr, 4560, nullptr};
    weir_named_count meter[2][2] = {
        {{"flows", "Flows in the table.", 600, nullptr}, {"flows_created", nullptr, 5, nullptr}},
        {{"flows", "Flows in the table.", 424, nullptr}, {"flows_created", nullptr, 7, nullptr}}};
    weir_snapshot_latency latency[2] = {
        {"out", false, {81230, 900000, 8e9, {90000, 150000, 300000, 500000, 800000}, {}}},
        {"work", true, {81231, 400000, 1e9, {10000, 20000, 50000, 90000, 200000}, {}}}};
    weir_named_count sink = {"checked", "Stamped packets seen.", 81230001, nullptr};

    Sample() : weir_snapshot{}
    {
        name = "lab";
        tsc_hz = 2000000000;
        running_tsc = 40000000000; /* 20 s */
        now_tsc = 1000000000000;
        port[0] = {"gen", "generator", "up", 1, 0, 1, 81234567, 5199012288, 0, 0, 0, 0, 81240000, 1500, 9000,
            250000, nullptr};
        port[1] = {"wan", "vdev", "up", 1, 0, 1, 0, 0, 0, 0, 0, WEIR_SNAPSHOT_UNKNOWN, WEIR_SNAPSHOT_UNKNOWN,
            WEIR_SNAPSHOT_UNKNOWN, WEIR_SNAPSHOT_UNKNOWN, WEIR_SNAPSHOT_UNKNOWN, nullptr};
        ports = port, n_ports = 2;
        const char *pools[4] = {"ingress", "work", "work", "out"};
        for (uint32_t i = 0; i < 4; i++) {
            worker[i].pool = pools[i];
            worker[i].index = i == 2;
            worker[i].lcore = i + 1;
            worker[i].cpu = i;
            worker[i].state = WEIR_WORKER_ENDED;
            worker[i].gaps = 3 * i;
            worker[i].busy_tsc = 10000000000 * (i + 1) / 2;
            worker[i].idle_tsc = 40000000000 - worker[i].busy_tsc;
        }
        workers = worker, n_workers = 4;
        stage[0] = {
            "ingress", "validate", 0, 0, 81234567, 81234561, &invalid, 1, nullptr, 0, false, 0, 0, {}};
        stage[1] = {"ingress", "admit", 0, 1, 81234561, 81230001, &rate, 1, nullptr, 0, false, 0, 0, {}};
        stage[2] = {"work", "meter", 0, 0, 40000000, 40000000, nullptr, 0, meter[0], 2, false, 0, 0, {}};
        stage[3] = {"work", "meter", 1, 0, 41230001, 41230001, nullptr, 0, meter[1], 2, false, 0, 0, {}};
        stage[4] = {"out", "sink", 0, 0, 81230001, 81230001, nullptr, 0, &sink, 1, true, 640, 19200,
            {20, 700, 7000, {300, 400, 600, 700, 700}, {}}};
        stages = stage, n_stages = 5;
        ring[0] = {"ingress", "work", 0, 0, 0, 1024, 40000000, 0, 300, false};
        ring[1] = {"ingress", "work", 0, 1, 0, 1024, 41230001, 0, 1024, false};
        ring[2] = {"work", "out", 0, 0, 0, 1024, 40000000, 0, 12, false};
        ring[3] = {"work", "out", 1, 0, 0, 1024, 41230001, 0, 11, false};
        rings = ring, n_rings = 4;
        drops = drop, n_drops = 5;
        for (uint32_t i = 0; i < WEIR_BOUNDS; i++) {
            latency[0].of.until[i] = weir_bounds_ns[i] < 100000 ? 0 : 81230;
            latency[1].of.until[i] = weir_bounds_ns[i] < 10000 ? 0 : 81231;
        }
        latencies = latency, n_latencies = 2;
        ledger.accepted = 81234567;
        ledger.consumed = 81230001;
        ledger.dropped = 4566;
        ledger.final = true;
        mempool_size = mempool_available = 16383;
        why_stopped = "signal";
        held_at_signal = 1040;
        drain_ns = 212000000;
        checked = 81230001;
    }
    Sample(const Sample &) = delete;
};

/* What a function prints. */
inline std::string printed(const std::function<void(FILE *)> &print)
{
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    print(to);
    fclose(to);
    std::string all(text, size);
    free(text);
    return all;
}
