package sqlstore

import (
	"encoding/binary"
	"errors"

	"crossfade.dev/crossfade/session"
)

// What commits changed, as postgres/00002_commit.sql says it: entries of a byte that names them and what they
// hold. The writer gets it as its answer, every process as a notification.
const (
	saidWritten   = 1 // id 16, version 8
	saidKey       = 2 // hash 32
	saidTombstone = 3 // lineage 16
	saidMark      = 4 // mark 8, length 4, subject
	saidEndedLive = 5 // id 16, version 8
	saidEnded     = 6 // id 16, version 8
	saidEndID     = 7 // outbox row 8
)

var errSaid = errors.New("sqlstore: what the database said of a commit cannot be read")

// said is what one or several commits changed.
type said struct {
	session.Change
	ended []session.EndedRecord
	endID int64
}

// readSaid reads entries to the end. What it gives keeps nothing of b.
func readSaid(b []byte) (s said, err error) {
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		size := map[byte]int{saidWritten: 24, saidKey: 32, saidTombstone: 16, saidMark: 12, saidEndedLive: 24, saidEnded: 24, saidEndID: 8}[kind]
		if size == 0 || len(b) < size {
			return s, errSaid
		}
		entry := b[:size]
		b = b[size:]
		switch kind {
		case saidWritten, saidEndedLive, saidEnded:
			id := session.ID(entry[:16])
			s.Records = append(s.Records, session.Stored{ID: id, Version: binary.BigEndian.Uint64(entry[16:])})
			if kind != saidWritten {
				s.ended = append(s.ended, session.EndedRecord{ID: id, Live: kind == saidEndedLive})
			}
		case saidKey:
			s.Keys = append(s.Keys, session.KeyHash(entry))
		case saidTombstone:
			s.Lineages = append(s.Lineages, session.Lineage(entry))
		case saidEndID:
			s.endID = int64(binary.BigEndian.Uint64(entry))
		case saidMark:
			n := binary.BigEndian.Uint32(entry[8:])
			if uint64(n) > uint64(len(b)) {
				return s, errSaid
			}
			s.Marks = append(s.Marks, session.DrawnMark{Mark: session.Mark(binary.BigEndian.Uint64(entry)), Subject: string(b[:n])})
			b = b[n:]
		}
	}
	return s, nil
}

// result is what a caller's commit found out.
func (s *said) result() session.Result {
	r := session.Result{EndID: s.endID, Records: s.ended, Lineages: s.Lineages}
	for _, m := range s.Marks {
		r.Mark = m.Mark
	}
	return r
}
