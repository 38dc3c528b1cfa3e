package sqlstore

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"crossfade.dev/crossfade/session"
)

// The fields of an operation in the order of op_1 (postgres/00002_commit.sql).
const (
	opKind = iota
	opID
	opLineage
	opSubject
	opReason
	opName
	opGeneration
	opState
	opVersion
	opCreated
	opSeen
	opIdle
	opExpires
	opBorn
	opFirst
	opUsed
	opKeep
	opDue
	opNumber
	opSecret
	opSealed
	opHead
	opAttributes
	opOperation
	opColumns
)

// The kinds of an operation, as apply_1 knows them.
const (
	kindInsert = iota + 1
	kindUpdate
	kindUpdateAll
	kindPutKey
	kindPutNote
	kindEndLineage
	kindEndSubject
	kindEndEverybody
	kindConfirmEnd
	kindFailEnd
	kindTouch
	kindUnseal
	kindTouchKey
)

// pgOp is one operation. What it refers to belongs to the caller's job.
type pgOp [opColumns]value

// oids of the fields' types and of arrays of them.
const (
	oidInt  = 20
	oidText = 25
	oidBlob = 17
	oidInt4 = 23
)

var opTypes = func() (out [opColumns]uint32) {
	for i := range out {
		out[i] = oidInt
	}
	for _, i := range []int{opSubject, opReason, opName} {
		out[i] = oidText
	}
	for _, i := range []int{opID, opLineage, opSecret, opSealed, opHead, opAttributes, opOperation} {
		out[i] = oidBlob
	}
	return out
}()

// operation puts a step into the form that the server takes.
func (st *step) operation() (o pgOp, err error) {
	switch op := st.op.(type) {
	case session.Insert:
		o = recordOp(kindInsert, op.Record, st)
	case session.Update:
		o = recordOp(kindUpdate, op.Record, st)
		if op.Record.Attributes != nil {
			o[opKind] = num(kindUpdateAll)
		}
	case session.PutKey:
		o = keyOp(&op.Key)
	case session.PutNote:
		o[opKind], o[opName], o[opVersion], o[opAttributes] = num(kindPutNote), words(op.Note.Name), num(op.Note.Version), blob(op.Note.Value)
	case session.EndLineage:
		o[opKind], o[opLineage] = num(kindEndLineage), blob(op.Lineage[:])
		o.ends(op.Reason, op.At, op.Keep, op.Notify)
	case session.EndSubject:
		o[opKind], o[opSubject] = num(kindEndSubject), words(op.Subject)
		if !op.Except.IsZero() {
			o[opID], o[opVersion] = blob(op.Except[:]), num(op.ExceptVersion)
		}
		if !op.ExceptLineage.IsZero() {
			o[opLineage] = blob(op.ExceptLineage[:])
		}
		o.ends(op.Reason, op.At, op.Keep, op.Notify)
	case session.EndEverybody:
		o[opKind] = num(kindEndEverybody)
		o.ends(op.Reason, op.At, time.Time{}, op.Notify)
	case session.ConfirmEnd:
		o[opKind], o[opNumber] = num(kindConfirmEnd), num(op.ID)
	case session.FailEnd:
		o[opKind], o[opNumber], o[opReason], o[opCreated] = num(kindFailEnd), num(op.ID), words(op.Cause), num(ms(op.At))
		o[opIdle], o[opExpires] = num(op.First.Milliseconds()), num(op.Last.Milliseconds())
	case touchOp:
		o[opKind], o[opID], o[opCreated] = num(kindTouch), blob(op.ID[:]), num(ms(op.Since))
		o[opSeen], o[opUsed], o[opSecret] = num(ms(op.Seen)), num(ms(op.Used)), blob(op.Secret[:])
	case unsealOp:
		o[opKind], o[opID] = num(kindUnseal), blob(op.id[:])
	case touchKeyOp:
		o[opKind], o[opID], o[opSeen] = num(kindTouchKey), blob(op.Hash[:]), num(ms(op.Presented))
	default:
		return o, fmt.Errorf("sqlstore: unknown operation %T", st.op)
	}
	return o, nil
}

// Activity is no session.Op: its pieces need not happen together.
type (
	touchOp struct {
		session.Op
		*session.Touch
	}
	unsealOp struct {
		session.Op
		id *session.ID
	}
	touchKeyOp struct {
		session.Op
		*session.KeyTouch
	}
)

func recordOp(kind int, r *session.Record, st *step) (o pgOp) {
	o[opKind], o[opID], o[opLineage] = num(kind), blob(r.ID[:]), lineageArg(r)
	o[opSubject], o[opReason] = text(r.Subject), text(r.EndReason)
	o[opGeneration], o[opState], o[opVersion] = num(r.Generation), num(r.State), num(r.Version)
	o[opCreated], o[opSeen], o[opIdle], o[opExpires] = num(ms(r.Created)), num(ms(r.LastSeen)), num(r.Idle.Milliseconds()), num(ms(r.ExpiresAt))
	o[opBorn], o[opFirst], o[opUsed], o[opKeep] = num(r.Born), num(ms(r.First)), num(ms(r.Used)), num(ms(r.Keep))
	o[opDue] = num(ms(deadline(r.State, r.LastSeen.Add(r.Idle), r.ExpiresAt, r.Keep)))
	o[opSecret], o[opSealed], o[opHead], o[opAttributes] = blob(r.Secret[:]), blob(r.Sealed), blob(st.head), blob(st.attributes)
	return o
}

func keyOp(k *session.Key) (o pgOp) {
	o[opKind], o[opID], o[opLineage] = num(kindPutKey), blob(k.Hash[:]), blob(k.Lineage[:])
	o[opGeneration], o[opState], o[opVersion] = flag(k.Given), flag(k.Closed), num(k.Version)
	if !k.Moved.IsZero() {
		o[opSecret] = blob(k.Moved[:])
	}
	o[opSeen], o[opKeep] = num(ms(k.Presented)), num(ms(k.Keep))
	return o
}

func (o *pgOp) ends(reason string, at, keep time.Time, notify *session.Notice) {
	o[opReason], o[opCreated], o[opKeep] = words(reason), num(ms(at)), num(ms(keep))
	if notify != nil {
		o[opOperation] = value{kind: kindBlob, blob: notify.Operation[:]}
	}
}

// stripes are how many locks lineages share. A commit takes one for each record that it inserts and lineage that
// it ends: few enough for the server's lock table, and enough that strangers seldom meet.
const stripes = 4096

// stripe is a lineage's lock, and whether it has to be had alone; none for most operations.
func (st *step) stripe() (lock int32, alone, some bool) {
	var l session.Lineage
	switch op := st.op.(type) {
	case session.Insert:
		l = op.Record.Lineage
	case session.EndLineage:
		l, alone = op.Lineage, true
	default:
		return 0, false, false
	}
	h := fnv.New32a()
	h.Write(l[:])
	return int32(h.Sum32() % stripes), alone, true
}

// pgArray is an array in PostgreSQL's binary form: a header, and every element behind its length.
type pgArray struct {
	buf   []byte
	n     int
	nulls bool
}

const arrayHeader = 20

func (a *pgArray) reset() {
	if cap(a.buf) > keptBuffer*pgBatch {
		a.buf = nil
	}
	a.buf, a.n, a.nulls = append(a.buf[:0], make([]byte, arrayHeader)...), 0, false
}

func (a *pgArray) add(v *value) {
	a.n++
	switch v.kind {
	case kindNum:
		a.buf = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(a.buf, 8), uint64(v.num))
	case kindText:
		a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(v.text))), v.text...)
	case kindBlob:
		a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(v.blob))), v.blob...)
	default:
		a.buf, a.nulls = binary.BigEndian.AppendUint32(a.buf, 1<<32-1), true
	}
}

func (a *pgArray) addInt4(n int32) {
	a.n++
	a.buf = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(a.buf, 4), uint32(n))
}

// bytes finishes the array: one dimension that begins at 1, or none.
func (a *pgArray) bytes(oid uint32) []byte {
	h := a.buf[:0]
	if a.n == 0 {
		h = binary.BigEndian.AppendUint32(h, 0)
		h = binary.BigEndian.AppendUint32(h, 0)
		return binary.BigEndian.AppendUint32(h, oid)
	}
	h = binary.BigEndian.AppendUint32(h, 1)
	h = binary.BigEndian.AppendUint32(h, map[bool]uint32{true: 1}[a.nulls])
	h = binary.BigEndian.AppendUint32(h, oid)
	h = binary.BigEndian.AppendUint32(h, uint32(a.n))
	binary.BigEndian.AppendUint32(h, 1)
	return a.buf
}
