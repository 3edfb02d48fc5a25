// SPDX-License-Identifier: BSD-3-Clause

// The pipeline of scripts/bench in Go: receive, validate, key and hash, token bucket, channel to the worker of the hash, flow
// table, count. The frames are those of net_preload.c, round and round; weir does all this, and its receive and transmit too.
//
//	pipeline -mode direct|items|slices [-workers N] [-flows N] [-seconds S]
//
// direct has no channel and one goroutine; items sends each packet by itself; slices 32 at a time, the slices come back and
// are used again. Nothing is allocated while the clock runs. All frames go through once before, so that the tables are full.
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	frameBytes = 60
	burst      = 32
	depth      = 1024 // packets a channel holds, as the rings of weir
	tokensPerS = 1_000_000_000
	tokensMost = tokensPerS / 200
)

// ---- frames ----

func sum(b []byte, s uint32) uint32 {
	for i := 0; i < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func makeFrames(flows int) [][]byte {
	all, frames := make([]byte, flows*64), make([][]byte, flows)
	for i := range frames {
		f := all[i*64 : i*64+frameBytes : i*64+frameBytes]
		copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45})
		ip, udp := f[14:34], f[34:]
		binary.BigEndian.PutUint16(ip[2:], frameBytes-14)
		ip[8], ip[9] = 64, 17
		binary.BigEndian.PutUint32(ip[12:], 10<<24+uint32(i))
		copy(ip[16:], []byte{192, 168, 0, 1})
		binary.BigEndian.PutUint16(ip[10:], fold(sum(ip, 0)))
		binary.BigEndian.PutUint16(udp, uint16(1024+i%60000))
		binary.BigEndian.PutUint16(udp[2:], 53)
		binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
		binary.BigEndian.PutUint16(udp[6:], fold(sum(udp, sum(ip[12:], 17+uint32(len(udp))))))
		frames[i] = f
	}
	return frames
}

// ---- what happens to a packet ----

// Both directions of a flow have the same key: the lower end comes first.
type key struct {
	low, high uint64 // address, port
	protocol  uint8
}

type packet struct {
	key    key
	hash   uint32
	length uint16
	way    uint8
}

func parse(f []byte, p *packet) bool {
	if len(f) < 14+20+8 || f[12] != 8 || f[13] != 0 || f[14]>>4 != 4 {
		return false
	}
	ip := f[14:]
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if header < 20 || total < header+8 || total > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || ip[9] != 17 {
		return false
	}
	udp := ip[header:total]
	if length := int(binary.BigEndian.Uint16(udp[4:])); length < 8 || length > len(udp) {
		return false
	}
	low := uint64(binary.BigEndian.Uint32(ip[12:]))<<16 | uint64(binary.BigEndian.Uint16(udp))
	high := uint64(binary.BigEndian.Uint32(ip[16:]))<<16 | uint64(binary.BigEndian.Uint16(udp[2:]))
	p.way = 0
	if low > high {
		low, high, p.way = high, low, 1
	}
	h := (low*0x9e3779b97f4a7c15 ^ high + 17) * 0xd6e8feb86659fd93
	p.key, p.hash, p.length = key{low, high, 17}, uint32(h>>32), uint16(len(f))
	return true
}

type bucket struct {
	tokens int64
	last   time.Duration
}

func (b *bucket) refill(now time.Duration) {
	b.tokens += int64(now-b.last) * tokensPerS / int64(time.Second)
	if b.tokens > tokensMost {
		b.tokens = tokensMost
	}
	b.last = now
}

type record struct {
	packets, bytes [2]uint64
	first, last    time.Duration
}

type table struct {
	flows   map[key]*record
	packets uint64
	_       [64]byte // another worker's counter is another line's
}

func (t *table) update(p *packet, now time.Duration) {
	r := t.flows[p.key]
	if r == nil {
		r = &record{first: now}
		t.flows[p.key] = r
	}
	r.packets[p.way]++
	r.bytes[p.way] += uint64(p.length)
	r.last = now
	t.packets++
}

// ---- who does it ----

type pipeline struct {
	frames  [][]byte
	tables  []table
	start   time.Time
	bucket  bucket
	next    int
	dropped uint64
}

// Receive bursts until `enough`, and hand each good packet on.
func (p *pipeline) receive(enough func(n int, now time.Duration) bool, each func(*packet, time.Duration)) {
	var it packet
	for n := 0; ; n += burst {
		now := time.Since(p.start)
		if enough(n, now) {
			return
		}
		p.bucket.refill(now)
		for i := 0; i < burst; i++ {
			f := p.frames[p.next]
			if p.next++; p.next == len(p.frames) {
				p.next = 0
			}
			if !parse(f, &it) || p.bucket.tokens < 1 {
				p.dropped++
				continue
			}
			p.bucket.tokens--
			each(&it, now)
		}
	}
}

func (p *pipeline) worker(hash uint32) int {
	return int(uint64(hash) * uint64(len(p.tables)) >> 32)
}

func (p *pipeline) direct(enough func(int, time.Duration) bool) {
	p.receive(enough, func(it *packet, now time.Duration) { p.tables[0].update(it, now) })
}

func (p *pipeline) items(enough func(int, time.Duration) bool) {
	var all sync.WaitGroup
	to := make([]chan packet, len(p.tables))
	for i := range to {
		to[i] = make(chan packet, depth)
		all.Add(1)
		go func(in chan packet, t *table) {
			defer all.Done()
			now, n := time.Since(p.start), 0
			for it := range in {
				if n++; n%burst == 0 {
					now = time.Since(p.start)
				}
				t.update(&it, now)
			}
		}(to[i], &p.tables[i])
	}
	p.receive(enough, func(it *packet, _ time.Duration) { to[p.worker(it.hash)] <- *it })
	for _, c := range to {
		close(c)
	}
	all.Wait()
}

func (p *pipeline) slices(enough func(int, time.Duration) bool) {
	var all sync.WaitGroup
	type ways struct {
		to, back chan []packet
		filling  []packet
	}
	w := make([]ways, len(p.tables))
	for i := range w {
		w[i] = ways{make(chan []packet, depth/burst), make(chan []packet, depth/burst+2), make([]packet, 0, burst)}
		for k := 0; k <= depth/burst; k++ {
			w[i].back <- make([]packet, 0, burst)
		}
		all.Add(1)
		go func(to, back chan []packet, t *table) {
			defer all.Done()
			for batch := range to {
				now := time.Since(p.start)
				for i := range batch {
					t.update(&batch[i], now)
				}
				back <- batch[:0]
			}
		}(w[i].to, w[i].back, &p.tables[i])
	}
	// A slice goes when it is full: with several workers a burst fills none of them. What is left goes at the end.
	p.receive(enough, func(it *packet, _ time.Duration) {
		o := &w[p.worker(it.hash)]
		if o.filling = append(o.filling, *it); len(o.filling) == burst {
			o.to <- o.filling
			o.filling = <-o.back
		}
	})
	for i := range w {
		w[i].to <- w[i].filling
		close(w[i].to)
	}
	all.Wait()
}

func (p *pipeline) counted() (packets uint64, flows int) {
	for i := range p.tables {
		packets += p.tables[i].packets
		flows += len(p.tables[i].flows)
	}
	return
}

func main() {
	mode := flag.String("mode", "items", "direct, items or slices")
	workers := flag.Int("workers", 1, "goroutines with a flow table each")
	flows := flag.Int("flows", 65536, "flows, a frame each")
	seconds := flag.Float64("seconds", 1, "how long")
	flag.Parse()

	p := &pipeline{frames: makeFrames(*flows), tables: make([]table, *workers), start: time.Now()}
	run, known := map[string]func(func(int, time.Duration) bool){
		"direct": p.direct, "items": p.items, "slices": p.slices}[*mode]
	if !known || flag.NArg() != 0 || *workers < 1 || *flows < 1 || (*mode == "direct" && *workers != 1) {
		fmt.Fprintln(os.Stderr, "usage: pipeline -mode direct|items|slices [-workers N] [-flows N] [-seconds S]; direct has one worker")
		os.Exit(64)
	}
	for i := range p.tables {
		p.tables[i].flows = make(map[key]*record, *flows / *workers * 5 / 4)
	}
	run(func(n int, _ time.Duration) bool { return n >= *flows })
	runtime.GC()

	before, _ := p.counted()
	begin := time.Since(p.start)
	end := begin + time.Duration(*seconds*float64(time.Second))
	received := 0
	run(func(n int, now time.Duration) bool { received = n; return now >= end })
	passed := time.Since(p.start) - begin
	after, found := p.counted()
	if after-before+p.dropped != uint64(received) || found != *flows {
		fmt.Fprintf(os.Stderr, "pipeline: %d received, %d counted, %d dropped, %d flows of %d\n", received, after-before, p.dropped,
			found, *flows)
		os.Exit(70)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"mode": *mode, "workers": *workers, "cores": runtime.GOMAXPROCS(0),
		"flows": found, "packets": after - before, "dropped": p.dropped, "seconds": passed.Seconds(),
		"ns_per_packet": float64(passed.Nanoseconds()) / float64(after-before), "go": runtime.Version()})
}
