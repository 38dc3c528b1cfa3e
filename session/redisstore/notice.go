package redisstore

import (
	"encoding/binary"
	"strconv"
	"time"

	"crossfade.dev/crossfade/session"
)

// A notice as it is stored in the outbox. lua/decide.lua sets before, lua/fail.lua attempts and cause; the
// number is where a field begins, as Lua counts.
//
//	1 operation (16)   17 lineage (16)   33 except (16)   49 everybody (1)   50 before (8)   58 since (8)
//	66 attempts (4)   70 subject, reason, each behind its length (4); then the cause
const noticeFixed = 69

type notice struct {
	operation [16]byte
	lineage   session.Lineage
	except    session.Lineage
	everybody bool
	subject   string
	reason    string
	since     time.Time
}

func (n *notice) encode() string {
	b := append(append(append(make([]byte, 0, 128), n.operation[:]...), n.lineage[:]...), n.except[:]...)
	everybody := byte(0)
	if n.everybody {
		everybody = 1
	}
	b = append(b, everybody)
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(ms(n.since)))
	b = binary.BigEndian.AppendUint32(b, 0)
	return string(appendText(appendText(b, n.subject), n.reason))
}

func decodeNotice(id, v string) (session.PendingEnd, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return session.PendingEnd{}, damaged(err)
	}
	if len(v) < noticeFixed {
		return session.PendingEnd{}, damaged(errShort)
	}
	b := []byte(v)
	subject, rest := cutText(b[noticeFixed:])
	reason, rest := cutText(rest)
	if rest == nil {
		return session.PendingEnd{}, damaged(errShort)
	}
	return session.PendingEnd{
		ID: n, Operation: [16]byte(b), Lineage: session.Lineage(b[16:]), Except: session.Lineage(b[32:]), Everybody: b[48] == 1,
		Before: session.Mark(binary.BigEndian.Uint64(b[49:])), Since: session.FromMillis(int64(binary.BigEndian.Uint64(b[57:]))),
		Attempts: int(binary.BigEndian.Uint32(b[65:])), Subject: string(subject), Reason: string(reason),
	}, nil
}
