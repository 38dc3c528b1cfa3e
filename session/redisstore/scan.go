package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Scan walks the keys of one primary after the other. A place in the walk means something only to the very
// servers that gave it, so it names them, and where one has been replaced or restarted the scan begins again.
// See session.Store.
func (s *Store) Scan(ctx context.Context, after string, limit int) (page []*session.Record, next string, err error) {
	at, err := parsePlace(after)
	if err != nil {
		return nil, "", err
	}
	servers, err := s.primaries(ctx)
	if err != nil {
		return nil, "", err
	}
	if who := fingerprint(servers); at.servers != who || at.server >= len(servers) {
		at = place{servers: who}
	}
	entry, err := servers[at.server].client.Do(ctx, servers[at.server].client.B().Scan().Cursor(at.cursor).
		Match(s.keys.lineagePattern()).Count(int64(max(limit, 1))).Build()).AsScanEntry()
	if err != nil {
		return nil, "", trouble(err, "read")
	}
	if page, err = s.lineagesAt(ctx, entry.Elements); err != nil {
		return nil, "", err
	}
	if at.cursor = entry.Cursor; at.cursor == 0 {
		at.server++
	}
	if at.server == len(servers) {
		return page, "", nil
	}
	return page, at.String(), nil
}

// lineagesAt reads all records of lineages, with attributes.
func (s *Store) lineagesAt(ctx context.Context, keys []string) (out []*session.Record, _ error) {
	if len(keys) == 0 {
		return nil, nil
	}
	cmds := make([]rueidis.Completed, len(keys))
	for i, k := range keys {
		cmds[i] = s.client.B().Hgetall().Key(k).Build()
	}
	for i, res := range s.client.DoMulti(ctx, cmds...) {
		l, ok := s.keys.parseLineage(keys[i])
		fields, err := res.AsStrMap()
		if err != nil {
			return nil, trouble(err, "read")
		}
		for f, v := range fields {
			if !ok || f[0] != 's' {
				continue
			}
			r, err := recordOf(v, fields[attributesField(f)], idOf(f, l), l, true)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// server is a primary.
type server struct {
	address, run string
	client       rueidis.Client
}

// primaries lists who serves what is stored, in an order of their own.
func (s *Store) primaries(ctx context.Context) (out []server, _ error) {
	for address, c := range s.client.Nodes() {
		info, err := c.Do(ctx, c.B().Arbitrary("INFO").Args("server", "replication").Build()).ToString()
		if err != nil {
			if s.keys.cluster {
				continue // a replica that is down; a primary shows as a change of who serves
			}
			return nil, trouble(err, "read")
		}
		if facts := parseInfo(info); facts["role"] == "master" {
			out = append(out, server{address: address, run: facts["run_id"], client: c})
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Unavailable, "no primary of the session store answers")
	}
	slices.SortFunc(out, func(a, b server) int { return strings.Compare(a.run, b.run) })
	return out, nil
}

func fingerprint(servers []server) string {
	h := sha256.New()
	for _, sv := range servers {
		_, _ = fmt.Fprintln(h, sv.run) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// place is where a scan stopped.
type place struct {
	servers string
	server  int
	cursor  uint64
}

func (p place) String() string { return fmt.Sprintf("%s.%d.%d", p.servers, p.server, p.cursor) }

func parsePlace(text string) (p place, _ error) {
	if text == "" {
		return p, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) == 3 && len(parts[0]) == 16 {
		n, err := strconv.Atoi(parts[1])
		c, err2 := strconv.ParseUint(parts[2], 10, 64)
		if err == nil && err2 == nil && n >= 0 {
			return place{servers: parts[0], server: n, cursor: c}, nil
		}
	}
	return p, fault.New(fault.Invalid, "no scan of the session store stopped at this place").WithHint("begin the scan again")
}
