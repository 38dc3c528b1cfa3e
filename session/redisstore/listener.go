package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"crossfade.dev/crossfade/session"
)

// listener passes on what comes in, one call at a time, between Began and Lost only.
type listener struct {
	w  session.Watching
	mu sync.Mutex
	on bool
	// failed is set while nothing can be believed: a message could not be read.
	failed error
}

// begin: what comes in meanwhile waits for its end, so nothing of it is passed over.
func (l *listener) begin(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.w.Began(ctx)
	l.on, l.failed = err == nil, nil
	return err
}

func (l *listener) hear(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on {
		return
	}
	c, err := parseChange(message)
	if err != nil {
		l.failed = err
		return
	}
	l.w.Changed(c)
}

func (l *listener) alive(asOf time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on && l.failed == nil {
		l.w.Alive(asOf)
	}
}

func (l *listener) lost(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on {
		l.on = false
		l.w.Lost(cause)
	}
}

// close: nothing is called any more.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = false
}

var errMessage = errors.New("a message of another kind came on the channel of the session store")

// parseChange reads what a script published: r id version, k hash, l lineage, m mark length subject; all joined.
func parseChange(message string) (c session.Change, _ error) {
	b := []byte(message)
	take := func(n int) []byte {
		if len(b) < n {
			return nil
		}
		out := b[:n]
		b = b[n:]
		return out
	}
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 'r':
			v := take(24)
			if v == nil {
				return c, errMessage
			}
			c.Records = append(c.Records, session.Stored{ID: session.ID(v), Version: binary.BigEndian.Uint64(v[16:])})
		case 'k':
			v := take(32)
			if v == nil {
				return c, errMessage
			}
			c.Keys = append(c.Keys, session.KeyHash(v))
		case 'l':
			v := take(16)
			if v == nil {
				return c, errMessage
			}
			c.Lineages = append(c.Lineages, session.Lineage(v))
		case 'm':
			v := take(8)
			if v == nil {
				return c, errMessage
			}
			subject, rest := cutText(b)
			if rest == nil {
				return c, errMessage
			}
			b = rest
			c.Marks = append(c.Marks, session.DrawnMark{Mark: session.Mark(binary.BigEndian.Uint64(v)), Subject: string(subject)})
		default:
			return c, errMessage
		}
	}
	return c, nil
}

// clusterView is what a server of a cluster says of itself.
type clusterView struct {
	text  string
	slots []int
}

// parseView reads the own line of CLUSTER NODES: that of a primary which serves slots and hands none over. While
// one moves, its keys are in two places, and only one of them would tell.
func parseView(nodes string) (clusterView, error) {
	for line := range strings.Lines(nodes) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.Contains(f[2], "myself") {
			continue
		}
		if !strings.Contains(f[2], "master") {
			return clusterView{}, errChanged
		}
		v := clusterView{text: strings.Join(f[8:], " ")}
		for _, r := range f[8:] {
			first, last, ranged := strings.Cut(r, "-")
			if !ranged {
				last = first
			}
			a, err := strconv.Atoi(first)
			b, err2 := strconv.Atoi(last)
			if err != nil || err2 != nil || a < 0 || b < a || b >= slotCount {
				return clusterView{}, errChanged // "[12->-node]": on the move
			}
			for n := a; n <= b; n++ {
				v.slots = append(v.slots, n)
			}
		}
		return v, nil
	}
	return clusterView{}, errChanged
}
