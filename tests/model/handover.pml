/* SPDX-License-Identifier: BSD-3-Clause */
/* Hand-over of shards between the workers of a pool, at the granularity of ring operations: docs/design/005-hand-over.md.
 *
 *     P0, P1 ──six rings──▶ W0, W1, W2 ──three rings──▶ C          M tells all of them what to do, and hears answers
 *
 * A flow is (producer, shard); its packets are numbered, and C asserts the numbers. Everything that may happen in any
 * order does: which shard a packet has, when a tail or a head is published, which batches of moves M decides, who joins
 * and leaves, when a producer serves each shard of a batch. Nothing runs for ever, so that "no invalid end state" also
 * says that every move ends.
 *
 * Bounds: -DPACKETS_0=n and _1 of the producers, -DBATCHES=n of moves, -DSTASH=1|2 packets. Varied:
 * STOP_ALL     a taker at its bound receives nothing at all, not only what would go to its stash
 * PIECEWISE    a producer serves the shards of a batch one by one, in any order
 * TOGETHER     a worker releases, and adopts, when it can do so with all its shards of the batch (this is tighter)
 * END_BY_RING  a producer writes its ends of stream one by one
 * A name that breaks a rule, for tests/model/handover.py to see that it is noticed: PACKET_BEHIND_FENCE NO_STASH
 * RELEASE_BEFORE_CONSUMED ENDED_PRODUCER_NOT_COUNTED GIVE_AND_TAKE_IN_ONE_BATCH BLOCKED_PRODUCER_IGNORES_COMMANDS
 * STALE_END_OF_STREAM UNTOLD_TAKER */
#ifndef PACKETS_0
#define PACKETS_0 2
#endif
#ifndef PACKETS_1
#define PACKETS_1 1
#endif
#define PACKETS(p) ((p) == 0 -> PACKETS_0 : PACKETS_1)
#ifndef BATCHES
#define BATCHES 2
#endif
#ifndef STASH
#define STASH 1
#endif

/* A packet is a byte, never 0: shard, producer, its number within the flow. */
#define PACKET(p, s, k) (1 | (s) << 1 | (p) << 2 | (k) << 3)
#define SHARD(x)        (((x) >> 1) & 1)
#define PRODUCER(x)     (((x) >> 2) & 1)
#define NUMBER(x)       ((x) >> 3)
#define IS_OF(x, s)     ((x) != 0 && SHARD(x) == (s))

#define RING(p, w) ((p) * 3 + (w))
#define FLOW(p, s) ((p) * 2 + (s))
#define BIT(s)     (1 << (s))

/* A ring from a producer to a worker: two slots, oldest first; `unseen` of the last are accepted, not published. */
byte slot0[6], slot1[6], unseen[6];
#define DEPTH(r) ((slot0[r] != 0) + (slot1[r] != 0))
byte remainder[6]; /* what did not fit, at most one a ring */
/* A fence: 1 + how many packets of the ring and its remainder are before it; 0 = not set. By ring and shard. */
byte fence[12];
#define PASSED_BY_FENCE(r, s) (fence[(r) * 2 + (s)] == 1)
#ifdef ENDED_PRODUCER_NOT_COUNTED
#define PASSED(p, w, s) PASSED_BY_FENCE(RING(p, w), s)
#else
#define PASSED(p, w, s) (PASSED_BY_FENCE(RING(p, w), s) || (CLOSED(p, w) && slot0[RING(p, w)] == 0))
#endif

byte sent[4];     /* by flow */
byte route[4];    /* by producer and shard: a worker */
byte todo[2];     /* by producer: shards whose MOVE waits in the command ring */
byte closed[2];   /* by producer: ends of stream written, in the order of the workers */
#ifdef PACKET_BEHIND_FENCE
byte fenced[2]; /* shards fenced, not yet routed anew */
#endif
#define CLOSED(p, w) (closed[p] > (w))
#define BLOCKED(p)   (remainder[RING(p, 0)] != 0 || remainder[RING(p, 1)] != 0 || remainder[RING(p, 2)] != 0)

/* A ring from a worker to C. `kept`: popped, the head not yet published. `ended`: the incarnation whose stream ended. */
byte out0[3], out1[3], kept[3], ended[3];
#define OUT(w) ((out0[w] != 0) + (out1[w] != 0) + kept[w])

mtype = { PARKED, LIVE, ENDED };
mtype state[3];
byte incarnation[3];
byte hand[3];                /* popped and not yet pushed */
byte stash0[3], stash1[3];   /* oldest first */
byte owned[3], arriving[3], leaving[3]; /* shards */
byte await[2];               /* by shard, its giver's: 0 = not noted, 1 + outputs that C has not yet said it consumed */
bool released[2];            /* by shard: the ownership word, published by the giver */
#if STASH == 1
#define FULL(w) (stash0[w] != 0)
#else
#define FULL(w) (stash1[w] != 0)
#endif
#ifdef STOP_ALL
#define MAY_POP(w, r) (arriving[w] == 0 || !FULL(w))
#else
#define MAY_POP(w, r) ((arriving[w] & BIT(SHARD(slot0[r]))) == 0 || !FULL(w))
#endif

byte got[4]; /* by flow */
#ifdef STALE_END_OF_STREAM
#define THROUGH(w) through[w]
bool through[3]; /* C has seen the end of this worker's stream */
#else
/* Once seen, it stays so until C is told to expect the next incarnation. */
#define THROUGH(w) (ended[w] == expected[w] && out0[w] == 0)
#endif
byte expected[3];
bool over; /* C has ended */

/* The command rings of the workers and of C: M has one command on the way at a time. */
byte give[3], take[3], join; /* shards, shards, 1 + worker */
bool leave[3];
byte at[2], to[2]; /* by shard: M's view */

byte x, i; /* within a step; 0 between steps */

inline append(r, packet)
{
    if
    :: slot0[r] == 0 -> slot0[r] = packet
    :: else -> slot1[r] = packet
    fi;
    unseen[r]++
}

/* ---- a producer ---- */

#define RECEIVE(p, s)                                                                                                  \
    d_step {                                                                                                           \
        !BLOCKED(p) && closed[p] == 0 && sent[FLOW(p, 0)] + sent[FLOW(p, 1)] < PACKETS(p) ->                           \
        i = RING(p, route[FLOW(p, s)]);                                                                                \
        x = PACKET(p, s, sent[FLOW(p, s)]);                                                                            \
        printf("P%d receives a packet of s%d for W%d\n", p, s, route[FLOW(p, s)]);                                     \
        sent[FLOW(p, s)]++;                                                                                            \
        if                                                                                                             \
        :: DEPTH(i) < 2 -> append(i, x)                                                                                \
        :: else -> remainder[i] = x; unseen[i] = 0                                                                     \
        fi;                                                                                                            \
        i = 0;                                                                                                         \
        x = 0                                                                                                          \
    }
#define FLUSH(p, w)                                                                                                    \
    d_step {                                                                                                           \
        remainder[RING(p, w)] != 0 && DEPTH(RING(p, w)) < 2 ->                                                         \
        printf("P%d flushes its remainder for W%d\n", p, w);                                                           \
        append(RING(p, w), remainder[RING(p, w)]);                                                                     \
        remainder[RING(p, w)] = 0                                                                                      \
    }
#define PUBLISH(p, w)                                                                                                  \
    d_step {                                                                                                           \
        unseen[RING(p, w)] != 0 ->                                                                                     \
        printf("P%d publishes its tail to W%d\n", p, w);                                                               \
        unseen[RING(p, w)] = 0                                                                                         \
    }

#ifdef BLOCKED_PRODUCER_IGNORES_COMMANDS
#define SERVES(p) (closed[p] == 0 && !BLOCKED(p))
#else
#define SERVES(p) (closed[p] == 0)
#endif
inline set_fence(p, s)
{
    if
    :: (todo[p] & BIT(s)) != 0 ->
        printf("P%d fences s%d in its ring to W%d\n", p, s, route[FLOW(p, s)]);
        i = RING(p, route[FLOW(p, s)]);
        fence[i * 2 + s] = 1 + DEPTH(i) + (remainder[i] != 0);
        i = 0;
#ifdef PACKET_BEHIND_FENCE
        fenced[p] = fenced[p] | BIT(s);
#else
        printf("P%d routes s%d to W%d\n", p, s, to[s]);
        route[FLOW(p, s)] = to[s];
#endif
        todo[p] = todo[p] & ~BIT(s)
    :: else
    fi
}
#ifdef PIECEWISE
#define MOVE(p)                                                                                                        \
    d_step { SERVES(p) && (todo[p] & BIT(0)) != 0 -> set_fence(p, 0) }                                                 \
    :: d_step { SERVES(p) && (todo[p] & BIT(1)) != 0 -> set_fence(p, 1) }
#else
#define MOVE(p)                                                                                                        \
    d_step {                                                                                                           \
        SERVES(p) && todo[p] != 0 ->                                                                                   \
        set_fence(p, 0);                                                                                               \
        set_fence(p, 1)                                                                                                \
    }
#endif
#ifdef PACKET_BEHIND_FENCE
#define ROUTE(p, s)                                                                                                    \
    d_step {                                                                                                           \
        (fenced[p] & BIT(s)) != 0 ->                                                                                   \
        printf("P%d routes s%d to W%d\n", p, s, to[s]);                                                                \
        route[FLOW(p, s)] = to[s];                                                                                     \
        fenced[p] = fenced[p] & ~BIT(s)                                                                                \
    }
#define MAY_END(p)  (fenced[p] == 0)
#else
#define MAY_END(p)  true
#endif

proctype Producer(byte p)
{
end:
    do
    :: RECEIVE(p, 0)
    :: RECEIVE(p, 1)
    :: FLUSH(p, 0)
    :: FLUSH(p, 1)
    :: FLUSH(p, 2)
    :: PUBLISH(p, 0)
    :: PUBLISH(p, 1)
    :: PUBLISH(p, 2)
    :: MOVE(p)
#ifdef PACKET_BEHIND_FENCE
    :: ROUTE(p, 0)
    :: ROUTE(p, 1)
#endif
    :: d_step {
        closed[p] < 3 && MAY_END(p) && !BLOCKED(p) && sent[FLOW(p, 0)] + sent[FLOW(p, 1)] == PACKETS(p) ->
        printf("P%d writes its end of stream\n", p);
#ifdef END_BY_RING
        unseen[RING(p, closed[p])] = 0;
        closed[p]++
#else
        unseen[RING(p, 0)] = 0;
        unseen[RING(p, 1)] = 0;
        unseen[RING(p, 2)] = 0;
        closed[p] = 3
#endif
    }
    od
}

/* ---- a worker ---- */

#define POP(p, w)                                                                                                      \
    d_step {                                                                                                           \
        state[w] == LIVE && hand[w] == 0 && DEPTH(RING(p, w)) > unseen[RING(p, w)] && MAY_POP(w, RING(p, w)) ->        \
        x = slot0[RING(p, w)];                                                                                         \
        slot0[RING(p, w)] = slot1[RING(p, w)];                                                                         \
        slot1[RING(p, w)] = 0;                                                                                         \
        if :: fence[RING(p, w) * 2] > 1 -> fence[RING(p, w) * 2]-- :: else fi;                                         \
        if :: fence[RING(p, w) * 2 + 1] > 1 -> fence[RING(p, w) * 2 + 1]-- :: else fi;                                 \
        sort_packet(w);                                                                                                \
        x = 0                                                                                                          \
    }
inline sort_packet(w)
{
    if
    :: (arriving[w] & BIT(SHARD(x))) == 0 ->
        printf("W%d pops packet %d of s%d from P%d\n", w, NUMBER(x), SHARD(x), PRODUCER(x));
        own(w);
        hand[w] = x
    :: else ->
#ifdef NO_STASH
        printf("W%d pops packet %d of s%d from P%d, not yet its own\n", w, NUMBER(x), SHARD(x), PRODUCER(x));
        hand[w] = x
#else
        printf("W%d stashes packet %d of s%d from P%d\n", w, NUMBER(x), SHARD(x), PRODUCER(x));
        assert(!FULL(w));
        if
        :: stash0[w] == 0 -> stash0[w] = x
        :: else -> stash1[w] = x
        fi
#endif
    fi
}
/* Nobody touches the state of a shard that is not his. (What breaks a rule shall be seen by C, where it hurts.) */
inline own(w)
{
#if !defined(PACKET_BEHIND_FENCE) && !defined(UNTOLD_TAKER)
    assert((owned[w] & BIT(SHARD(x))) != 0)
#else
    skip
#endif
}
#define PUSH(w)                                                                                                        \
    d_step {                                                                                                           \
        hand[w] != 0 && OUT(w) < 2 ->                                                                                  \
        printf("W%d pushes it to C\n", w);                                                                             \
        if                                                                                                             \
        :: out0[w] == 0 -> out0[w] = hand[w]                                                                           \
        :: else -> out1[w] = hand[w]                                                                                   \
        fi;                                                                                                            \
        hand[w] = 0                                                                                                    \
    }
#define GIVE(w)                                                                                                        \
    d_step {                                                                                                           \
        give[w] != 0 && state[w] == LIVE ->                                                                            \
        printf("W%d hears what it gives: %d\n", w, give[w]);                                                           \
        leaving[w] = give[w];                                                                                          \
        give[w] = 0                                                                                                    \
    }
#define TAKE(w)                                                                                                        \
    d_step {                                                                                                           \
        take[w] != 0 && state[w] == LIVE ->                                                                            \
        printf("W%d hears what it takes: %d\n", w, take[w]);                                                           \
        arriving[w] = take[w];                                                                                         \
        take[w] = 0                                                                                                    \
    }
/* All fences passed and nothing of the shard in hand: what was written until now must be consumed. */
#define NOTE(w, s)                                                                                                     \
    d_step {                                                                                                           \
        (leaving[w] & BIT(s)) != 0 && await[s] == 0 && !IS_OF(hand[w], s) && PASSED(0, w, s) && PASSED(1, w, s)        \
            ->                                                                                                         \
        printf("W%d has passed all fences of s%d, notes its tail\n", w, s);                                            \
        await[s] = 1 + OUT(w)                                                                                          \
    }
#ifdef RELEASE_BEFORE_CONSUMED
#define CONSUMED(s) (await[s] != 0)
#else
#define CONSUMED(s) (await[s] == 1)
#endif
#ifdef TOGETHER
#define MAY_RELEASE(w) (((leaving[w] & 1) == 0 || CONSUMED(0)) && ((leaving[w] & 2) == 0 || CONSUMED(1)))
#define MAY_ADOPT(w)   (((arriving[w] & 1) == 0 || released[0]) && ((arriving[w] & 2) == 0 || released[1]))
#else
#define MAY_RELEASE(w) true
#define MAY_ADOPT(w)   true
#endif
#define RELEASE(w, s)                                                                                                  \
    d_step {                                                                                                           \
        (leaving[w] & BIT(s)) != 0 && CONSUMED(s) && MAY_RELEASE(w) ->                                                 \
        printf("W%d releases s%d\n", w, s);                                                                            \
        await[s] = 0;                                                                                                  \
        leaving[w] = leaving[w] & ~BIT(s);                                                                             \
        owned[w] = owned[w] & ~BIT(s);                                                                                 \
        released[s] = true                                                                                             \
    }
#define PLAY(w, s)                                                                                                     \
    d_step {                                                                                                           \
        (arriving[w] & BIT(s)) != 0 && released[s] && MAY_ADOPT(w) && hand[w] == 0 && IS_OF(stash0[w], s) ->           \
        printf("W%d plays a stashed packet of s%d\n", w, s);                                                           \
        hand[w] = stash0[w];                                                                                           \
        stash0[w] = stash1[w];                                                                                         \
        stash1[w] = 0                                                                                                  \
    }                                                                                                                  \
    :: d_step {                                                                                                        \
        (arriving[w] & BIT(s)) != 0 && released[s] && MAY_ADOPT(w) && hand[w] == 0                                     \
            && !IS_OF(stash0[w], s) && IS_OF(stash1[w], s) ->                                                          \
        printf("W%d plays a stashed packet of s%d\n", w, s);                                                           \
        hand[w] = stash1[w];                                                                                           \
        stash1[w] = 0                                                                                                  \
    }
#define ADOPT(w, s)                                                                                                    \
    d_step {                                                                                                           \
        (arriving[w] & BIT(s)) != 0 && released[s] && MAY_ADOPT(w) && !IS_OF(stash0[w], s) && !IS_OF(stash1[w], s) ->  \
        printf("W%d owns s%d\n", w, s);                                                                                \
        released[s] = false;                                                                                           \
        arriving[w] = arriving[w] & ~BIT(s);                                                                           \
        assert(((owned[0] | owned[1] | owned[2]) & BIT(s)) == 0);                                                      \
        owned[w] = owned[w] | BIT(s)                                                                                   \
    }

#define IDLE(w) (state[w] == LIVE && hand[w] == 0 && stash0[w] == 0 && leaving[w] == 0 && arriving[w] == 0)

proctype Worker(byte w)
{
end:
    do
    :: POP(0, w)
    :: POP(1, w)
    :: PUSH(w)
    :: GIVE(w)
    :: TAKE(w)
    :: NOTE(w, 0)
    :: NOTE(w, 1)
    :: RELEASE(w, 0)
    :: RELEASE(w, 1)
    :: PLAY(w, 0)
    :: PLAY(w, 1)
    :: ADOPT(w, 0)
    :: ADOPT(w, 1)
    :: d_step { /* it leaves: it owns nothing, so that nothing is or will be in its rings */
        leave[w] && IDLE(w) ->
        printf("W%d ends its stream, parks\n", w);
        assert(owned[w] == 0);
        assert(slot0[RING(0, w)] == 0 && slot0[RING(1, w)] == 0);
        assert(remainder[RING(0, w)] == 0 && remainder[RING(1, w)] == 0);
        ended[w] = incarnation[w];
        leave[w] = false;
        state[w] = PARKED
    }
    :: d_step { /* the end of all its streams */
        IDLE(w) && CLOSED(0, w) && CLOSED(1, w) && slot0[RING(0, w)] == 0 && slot0[RING(1, w)] == 0 ->
        printf("W%d ends\n", w);
        ended[w] = incarnation[w];
        state[w] = ENDED
    }
    od
}

/* ---- the consumer ---- */

#define CONSUME(w)                                                                                                     \
    d_step {                                                                                                           \
        out0[w] != 0 && !THROUGH(w) ->                                                                                 \
        x = out0[w];                                                                                                   \
        out0[w] = out1[w];                                                                                             \
        out1[w] = 0;                                                                                                   \
        printf("C consumes packet %d of s%d from P%d through W%d\n", NUMBER(x), SHARD(x), PRODUCER(x), w);             \
        kept[w]++;                                                                                                     \
        assert(NUMBER(x) == got[FLOW(PRODUCER(x), SHARD(x))]);                                                         \
        got[FLOW(PRODUCER(x), SHARD(x))]++;                                                                            \
        x = 0                                                                                                          \
    }
/* Found empty: the head is published. Whoever waits for it counts from where it noted. */
#define SETTLE(w)                                                                                                      \
    d_step {                                                                                                           \
        out0[w] == 0 && kept[w] != 0 ->                                                                                \
        printf("C publishes its head to W%d\n", w);                                                                    \
        heard(w, 0);                                                                                                   \
        heard(w, 1);                                                                                                   \
        kept[w] = 0                                                                                                    \
    }
inline heard(w, s)
{
    if
    :: (leaving[w] & BIT(s)) != 0 && await[s] > kept[w] -> await[s] = await[s] - kept[w]
    :: (leaving[w] & BIT(s)) != 0 && await[s] != 0 && await[s] <= kept[w] -> await[s] = 1
    :: else
    fi
}
#define END(w)                                                                                                         \
    d_step {                                                                                                           \
        out0[w] == 0 && !through[w] && ended[w] != 0 ->                                                                \
        printf("C sees the end of W%d\n", w);                                                                          \
        through[w] = true                                                                                              \
    }

proctype Consumer()
{
    do
    :: CONSUME(0)
    :: CONSUME(1)
    :: CONSUME(2)
    :: SETTLE(0)
    :: SETTLE(1)
    :: SETTLE(2)
#ifdef STALE_END_OF_STREAM
    :: END(0)
    :: END(1)
    :: END(2)
    :: d_step { join != 0 -> printf("C expects W%d\n", join - 1); through[join - 1] = false; join = 0 }
#else
    :: d_step { join != 0 -> printf("C expects W%d\n", join - 1); expected[join - 1]++; join = 0 }
#endif
    :: d_step {
        THROUGH(0) && THROUGH(1) && THROUGH(2) && join == 0 ->
        assert(got[FLOW(0, 0)] + got[FLOW(0, 1)] == PACKETS_0 && got[FLOW(1, 0)] + got[FLOW(1, 1)] == PACKETS_1);
        printf("C ends\n");
        over = true
    } -> break
    od
}

/* ---- the manager ---- */

#define MOVES(s)    (at[s] != to[s])
#define GIVEN_BY(w) ((MOVES(0) && at[0] == (w)) | (MOVES(1) && at[1] == (w)) << 1)
#define TAKEN_BY(w) ((MOVES(0) && to[0] == (w)) | (MOVES(1) && to[1] == (w)) << 1)
#ifdef GIVE_AND_TAKE_IN_ONE_BATCH
#define LEGAL(w) true
#else
#define LEGAL(w) (GIVEN_BY(w) == 0 || TAKEN_BY(w) == 0)
#endif

#define DONE(s)                                                                                                        \
    (!MOVES(s) || (((owned[to[s]] & BIT(s)) != 0 || state[to[s]] == ENDED)                                             \
                   && ((leaving[at[s]] & BIT(s)) == 0)))

inline choose(s)
{
    if
    :: to[s] = 0
    :: to[s] = 1
    :: to[s] = 2
    fi
}
/* A parked worker that is to take is launched, once C expects it. */
inline launch(w)
{
    if
    :: TAKEN_BY(w) != 0 && state[w] == PARKED ->
        join = 1 + w;
        if
        :: join == 0
        :: over -> goto stop
        fi;
        d_step {
            incarnation[w]++;
#ifdef STALE_END_OF_STREAM
            ended[w] = 0;
#endif
            printf("M launches W%d\n", w);
            state[w] = LIVE
        }
    :: else
    fi
}
#ifdef UNTOLD_TAKER
#define TAKERS_KNOW true
#else
#define TAKERS_KNOW (take[0] == 0 && take[1] == 0 && take[2] == 0)
#endif
#define ONE_HAS_ENDED (state[0] == ENDED || state[1] == ENDED || state[2] == ENDED)

inline park(w)
{
    if
    :: state[w] == LIVE && at[0] != w && at[1] != w ->
        if
        :: leave[w] = true; printf("M: W%d, leave\n", w); (state[w] != LIVE)
        :: skip
        fi
    :: else
    fi
}

proctype Manager()
{
    byte batches = 0;
    atomic { /* but where it waits: a command is served later anyway */
        do
        :: batches == BATCHES || over -> break
        :: else ->
            batches++;
            choose(0);
            choose(1);
            if /* the first moves shard 0: with shards and workers renamed it is the same as one that moves 1 */
            :: (MOVES(0) || batches > 1 && MOVES(1)) && LEGAL(0) && LEGAL(1) && LEGAL(2)
            :: else -> goto stop
            fi;
            printf("M: s0 to W%d, s1 to W%d\n", to[0], to[1]);
            launch(0);
            launch(1);
            launch(2);
            give[0] = GIVEN_BY(0);
            give[1] = GIVEN_BY(1);
            give[2] = GIVEN_BY(2);
            if
            :: give[0] == 0 && give[1] == 0 && give[2] == 0
            :: ONE_HAS_ENDED -> goto stop /* it has seen the ends of all producers: nothing is left to move */
            fi;
            take[0] = TAKEN_BY(0);
            take[1] = TAKEN_BY(1);
            take[2] = TAKEN_BY(2);
            (TAKERS_KNOW || ONE_HAS_ENDED);
            todo[0] = MOVES(0) | MOVES(1) << 1;
            todo[1] = todo[0];
            (DONE(0) && DONE(1));
            d_step {
                for (i : 0 .. 11) { fence[i] = 0 }
                i = 0;
                todo[0] = 0;
                todo[1] = 0;
                printf("M: all moved\n");
                released[0] = false;
                released[1] = false;
                at[0] = to[0];
                at[1] = to[1]
            }
            park(0);
            park(1);
            park(2)
        od;
    stop:
        to[0] = at[0];
        to[1] = at[1]
    }
}

init
{
    atomic {
        at[1] = 1;
        to[1] = 1;
        route[FLOW(0, 1)] = 1;
        route[FLOW(1, 1)] = 1;
        owned[0] = BIT(0);
        owned[1] = BIT(1);
        incarnation[0] = 1;
        incarnation[1] = 1;
        expected[0] = 1;
        expected[1] = 1;
        state[0] = LIVE;
        state[1] = LIVE;
        state[2] = PARKED;
#ifdef STALE_END_OF_STREAM
        through[2] = true;
#endif
        run Producer(0);
        run Producer(1);
        run Worker(0);
        run Worker(1);
        run Worker(2);
        run Consumer();
        run Manager()
    }
}
