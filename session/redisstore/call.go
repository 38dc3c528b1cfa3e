package redisstore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// call is one script on one slot.
type call struct {
	script *script
	keys   []string
	args   []string
	copies Copies // that must exist before it counts as done
}

// reply is what a call answered.
type reply struct {
	list []rueidis.RedisMessage // of a list
	one  rueidis.RedisMessage   // of anything else
	err  error
	// unsure: an earlier try may have been carried out, its answer was lost.
	unsure bool
}

// text gives an element of a list.
func (r *reply) text(i int) string {
	if i >= len(r.list) {
		return ""
	}
	v, _ := r.list[i].ToString()
	return v
}

func (r *reply) int(i int) int64 {
	if i >= len(r.list) {
		return 0
	}
	v, _ := r.list[i].AsInt64()
	return v
}

func num[T ~int | ~int64 | ~uint64 | ~uint32](n T) string { return strconv.FormatInt(int64(n), 10) }

func (s *Store) command(c *call, known bool) rueidis.Completed {
	if known {
		return s.client.B().Evalsha().Sha1(c.script.digest).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build()
	}
	return s.client.B().Eval().Script(c.script.text).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build()
}

// write carries calls out, side by side, and again where an answer was lost: scripts know what they did
// already. It goes on when the caller gives up, for a bounded time, because only the answer tells what happened.
func (s *Store) write(ctx context.Context, calls ...call) []reply {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	out := make([]reply, len(calls))
	left := make([]int, len(calls))
	for i := range left {
		left[i] = i
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		s.once(ctx, calls, left, out)
		again := left[:0]
		for _, i := range left {
			if lost(out[i].err) && ctx.Err() == nil && (out[i].unsure || !refusedDial(out[i].err)) {
				out[i].unsure = true
				again = append(again, i)
			}
		}
		if left = again; len(left) == 0 || !sleep(ctx, pause) {
			return out
		}
	}
}

// once tries the calls that are left.
func (s *Store) once(ctx context.Context, calls []call, left []int, out []reply) {
	var plain []int
	for _, i := range left {
		if calls[i].copies.wanted() {
			out[i].take(s.copied(ctx, &calls[i]))
		} else {
			plain = append(plain, i)
		}
	}
	var unknown []int
	for i, r := range s.send(ctx, calls, plain, true) {
		if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() {
			unknown = append(unknown, plain[i])
			continue
		}
		out[plain[i]].take(r)
	}
	for i, r := range s.send(ctx, calls, unknown, false) {
		out[unknown[i]].take(r)
	}
}

func (s *Store) send(ctx context.Context, calls []call, which []int, known bool) []rueidis.RedisResult {
	switch len(which) {
	case 0:
		return nil
	case 1:
		return []rueidis.RedisResult{s.client.Do(ctx, s.command(&calls[which[0]], known))}
	}
	cmds := make([]rueidis.Completed, len(which))
	for i, w := range which {
		cmds[i] = s.command(&calls[w], known)
	}
	return s.client.DoMulti(ctx, cmds...)
}

func (r *reply) take(res rueidis.RedisResult) {
	msg, err := res.ToMessage()
	r.list, r.one, r.err = nil, msg, err
	if rueidis.IsRedisNil(err) {
		r.err = nil
	}
	if err == nil && msg.IsArray() {
		r.list, r.err = msg.ToArray()
	}
}

// lost reports whether nobody knows if a call was carried out: anything but an answer of the server.
func lost(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := rueidis.IsRedisErr(err); ok {
		return false
	}
	return !errors.Is(err, rueidis.ErrClosing) && !errors.Is(err, errCopies)
}

// refusedDial: there was no connection to send anything on.
func refusedDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
