/* SPDX-License-Identifier: BSD-3-Clause */
/* Says which shards move, and waits until they have: one order at a time, in as many moves as it takes so that no worker
 * both gives and takes in one, and one move under way in the whole pipeline.
 *
 * Threads  weir_manager_tick(): control. weir_manager_order(): any thread that is neither control nor a worker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_runtime;
struct weir_manager;

enum weir_order_kind {
    WEIR_ORDER_RESIZE,  /* `number` workers have the shards of `pool`, in equal parts; the fewest move */
    WEIR_ORDER_MOVE,    /* shard `number` goes to worker `worker` */
    WEIR_ORDER_SHUFFLE, /* each shard goes to some worker that has any now */
};

#define WEIR_ORDER_POOL_MAX 64

struct weir_order {
    enum weir_order_kind kind;
    char pool[WEIR_ORDER_POOL_MAX];
    uint32_t number, worker;
    /* What became of it. */
    bool done;
    uint32_t moves, shards; /* batches of moves, and shards that changed their owner */
    uint64_t slowest_ns;    /* of the batches: posted to live at the last new owner */
    char error[192];        /* why not; what was done by then stays */
};

struct weir_manager *weir_manager_new(void); /* NULL = no descriptor */
void weir_manager_free(struct weir_manager *);
/* Waits until the order is carried out or refused; at most timeout_ms for the order before it, and as long for this one,
 * which goes on all the same. Returns order->done. */
bool weir_manager_order(struct weir_runtime *, struct weir_order *, int timeout_ms);
/* Have the control thread drain. A second call has no effect. */
void weir_manager_drain(struct weir_runtime *);
bool weir_manager_drains(struct weir_runtime *);
/* Look after the move and the order; from weir_runtime_tick(). */
void weir_manager_tick(struct weir_runtime *, uint64_t now_tsc);
/* Nothing is looked after any more: who waits is told so, and orders are refused from now on. Control thread. */
void weir_manager_close(struct weir_runtime *);
/* Something is under way: tick often. */
bool weir_manager_busy(struct weir_runtime *);
/* Becomes readable when an order comes. */
int weir_manager_fd(const struct weir_manager *);

#ifdef __cplusplus
}
#endif
