package sealed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sealed"
	"crossfade.dev/crossfade/session/sessiontest"
	"crossfade.dev/crossfade/session/sqlstore"
)

var (
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key1  = keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)}
	key2  = keyring.Secret{ID: 2, Bytes: bytes.Repeat([]byte{2}, 32)}
)

func ring(t testing.TB, secrets ...keyring.Secret) *keyring.Ring {
	t.Helper()
	r, err := keyring.New(rand.Reader, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB) (session.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions.db")
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: path}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, path
}

func over(t testing.TB, inner session.Store, mode sealed.Mode, secrets ...keyring.Secret) session.Store {
	t.Helper()
	s, err := sealed.New(inner, ring(t, secrets...), mode, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealedOnly(t testing.TB) session.Store {
	inner, _ := open(t)
	return over(t, inner, sealed.On, key1)
}

func TestStore_KeepsTheContractSealed(t *testing.T) { sessiontest.Run(t, sealedOnly) }

func TestManager_KeepsItsPromisesSealed(t *testing.T) { sessiontest.RunManager(t, sealedOnly) }

// mixed takes for each call another of several processes: one that writes plain, two that seal under different
// keys. What one of them wrote the next one reads and ends.
type mixed struct {
	all []session.Store
	n   atomic.Uint64
}

func (m *mixed) pick() session.Store { return m.all[m.n.Add(1)%uint64(len(m.all))] }

func (m *mixed) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return m.pick().Head(ctx, id)
}
func (m *mixed) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return m.pick().Full(ctx, id)
}
func (m *mixed) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return m.pick().Generations(ctx, l)
}
func (m *mixed) OfSubject(ctx context.Context, s string, c session.Cursor, n int) ([]*session.Record, error) {
	return m.pick().OfSubject(ctx, s, c, n)
}
func (m *mixed) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	return m.pick().Ended(ctx, l)
}
func (m *mixed) Key(ctx context.Context, h ...session.KeyHash) (*session.Key, error) {
	return m.pick().Key(ctx, h...)
}
func (m *mixed) Marks(ctx context.Context) (session.Marks, error) { return m.pick().Marks(ctx) }
func (m *mixed) Due(ctx context.Context, now time.Time, n int) ([]session.PendingEnd, error) {
	return m.pick().Due(ctx, now, n)
}
func (m *mixed) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	return m.pick().Outstanding(ctx)
}
func (m *mixed) Scan(ctx context.Context, after string, n int) ([]*session.Record, string, error) {
	return m.pick().Scan(ctx, after, n)
}
func (m *mixed) Notes(ctx context.Context, prefix string) ([]session.Note, error) {
	return m.pick().Notes(ctx, prefix)
}
func (m *mixed) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	return m.pick().Commit(ctx, ops...)
}
func (m *mixed) Touch(ctx context.Context, ts []session.Touch, ks []session.KeyTouch) error {
	return m.pick().Touch(ctx, ts, ks)
}
func (m *mixed) Sweep(ctx context.Context, now time.Time, n int) (int, error) {
	return m.pick().Sweep(ctx, now, n)
}

func mixedStore(t testing.TB) session.Store {
	inner, _ := open(t)
	return &mixed{all: []session.Store{
		over(t, inner, sealed.On, key1, key2), over(t, inner, sealed.Read, key1, key2), over(t, inner, sealed.On, key2, key1),
		over(t, inner, sealed.Undo, key2, key1),
	}}
}

func TestStore_KeepsTheContractWhilePlainAndSealedAndTwoKeysAreMixed(t *testing.T) {
	sessiontest.Run(t, mixedStore)
}

func TestManager_KeepsItsPromisesWhilePlainAndSealedAndTwoKeysAreMixed(t *testing.T) {
	sessiontest.RunManager(t, mixedStore)
}

// personal is a record whose personal values are easy to find again.
func personal(n byte) *session.Record {
	return &session.Record{
		Session: session.Session{
			ID: session.ID{n, 15: n}, Lineage: session.Lineage{n, 15: n}, Generation: 1, Kind: session.Authenticated, Subject: "subject-anna",
			AuthTime: epoch, Methods: []string{"method-pwd"}, Level: "level-two", Created: epoch, LastSeen: epoch, ExpiresAt: epoch.Add(time.Hour),
			Version: 1, State: session.StateLive, Visitor: session.VisitorID([]byte("visitor-of-anna!")), Origin: "shop",
			Device: session.Device{Agent: "agent-firefox", Label: "label-phone"},
		},
		Idle: time.Hour, Secret: session.Secret{n}.Hash(), SecretAt: epoch,
		Attributes: map[string]session.Attribute{"address": {Value: json.RawMessage(`"street-one"`), Version: 1, Written: epoch}},
	}
}

func commit(t testing.TB, s session.Store, ops ...session.Op) session.Result {
	t.Helper()
	res, err := s.Commit(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func full(t testing.TB, s session.Store, n byte) *session.Record {
	t.Helper()
	r, err := s.Full(t.Context(), session.ID{n, 15: n})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bytesOf is all of a record that a store keeps, as text.
func bytesOf(r *session.Record) string {
	return r.Subject + string(session.AppendHead(nil, r)) + string(session.AppendAttributes(nil, r.Attributes))
}

func TestStore_NothingPersonalIsInTheRow(t *testing.T) {
	inner, _ := open(t)
	s := over(t, inner, sealed.On, key1)
	commit(t, s, session.Insert{Record: personal(1)})
	commit(t, s, session.EndSubject{Subject: "subject-anna", At: epoch, Keep: epoch, Notify: &session.Notice{Operation: [16]byte{1}}})
	commit(t, s, session.Insert{Record: personal(2)})
	raw, err := json.Marshal([]any{bytesOf(full(t, inner, 1)), bytesOf(full(t, inner, 2))})
	if err != nil {
		t.Fatal(err)
	}
	marks, err := inner.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	due, err := inner.Due(t.Context(), epoch, 10)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	rest, err := json.Marshal([]any{marks})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"subject-anna", "method-pwd", "level-two", "visitor-of", "firefox", "phone", "address", "street"} {
		if bytes.Contains(append(raw, rest...), []byte(value)) {
			t.Errorf("%q is in the store", value)
		}
	}
	if got := full(t, s, 2); !reflect.DeepEqual(got, personal(2)) {
		t.Errorf("got %+v", got)
	}
}

func TestStore_ARowThatWasSwappedIsRefused(t *testing.T) {
	inner, _ := open(t)
	s := over(t, inner, sealed.On, key1)
	other := personal(2)
	other.Subject = "subject-bert"
	commit(t, s, session.Insert{Record: personal(1)}, session.Insert{Record: other})
	for name, swap := range map[string]func(to, from *session.Record){
		"veil":                func(to, from *session.Record) { to.Veil = from.Veil },
		"subject":             func(to, from *session.Record) { to.Subject = from.Subject },
		"subject, taken away": func(to, _ *session.Record) { to.Subject = "" },
		"subject, in plain":   func(to, _ *session.Record) { to.Subject = "subject-bert" },
		"attributes":          func(to, from *session.Record) { to.Attributes = from.Attributes },
		"veil and subject":    func(to, from *session.Record) { to.Veil, to.Subject = from.Veil, from.Subject },
		"veil, taken away":    func(to, _ *session.Record) { to.Veil = nil },
	} {
		t.Run(name, func(t *testing.T) {
			victim, thief := full(t, inner, 1), full(t, inner, 2)
			was := *victim
			swap(victim, thief)
			victim.Version++
			commit(t, inner, session.Update{Record: victim})
			if r, err := s.Full(t.Context(), victim.ID); fault.CodeOf(err) != fault.Internal {
				t.Errorf("got %+v, %v", r, err)
			}
			page, _, err := s.Scan(t.Context(), "", 10)
			if err != nil || len(page) != 1 {
				t.Errorf("a scan passes it by: %v, %v", page, err)
			}
			was.Version = victim.Version + 1
			commit(t, inner, session.Update{Record: &was})
			full(t, s, 1)
		})
	}
}

func TestStore_WithoutTheKeyNothingOpens(t *testing.T) {
	inner, _ := open(t)
	commit(t, over(t, inner, sealed.On, key1), session.Insert{Record: personal(1)})
	_, err := over(t, inner, sealed.On, key2).Full(t.Context(), session.ID{1, 15: 1})
	if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Internal || !bytes.Contains([]byte(hint), []byte("keys")) {
		t.Fatalf("got %v (%s)", err, hint)
	}
}

func TestStore_AnEndUnderOneKeyHoldsUnderTheOther(t *testing.T) {
	inner, _ := open(t)
	old, now := over(t, inner, sealed.On, key1, key2), over(t, inner, sealed.On, key2, key1)
	plain := over(t, inner, sealed.Read, key1, key2)
	for i, writer := range []session.Store{old, now, plain} {
		r := personal(byte(i + 1))
		commit(t, writer, session.Insert{Record: r})
	}
	spared := full(t, old, 2)
	res := commit(t, old, session.EndSubject{Subject: "subject-anna", At: epoch, Keep: epoch, Except: spared.ID, ExceptVersion: 1,
		ExceptLineage: spared.Lineage, Notify: &session.Notice{Operation: [16]byte{7}}})
	for _, reader := range []session.Store{old, now, plain} {
		for n, want := range map[byte]session.State{1: session.StateEnded, 2: session.StateLive, 3: session.StateEnded} {
			if got := full(t, reader, n); got.State != want {
				t.Errorf("record %d is %v, want %v", n, got.State, want)
			}
		}
		marks, err := reader.Marks(t.Context())
		if err != nil || marks.Subjects["subject-anna"] != res.Mark || full(t, reader, 2).Born != res.Mark || len(marks.Subjects) != 1 {
			t.Errorf("marks %+v, drawn %d, %v", marks, res.Mark, err)
		}
		due, err := reader.Due(t.Context(), epoch, 10)
		if err != nil || len(due) != 1 || due[0].Subject != "subject-anna" || due[0].Except != spared.Lineage || due[0].Before != res.Mark {
			t.Errorf("told to legacy: %+v, %v", due, err)
		}
		covered, err := reader.Outstanding(t.Context())
		if err != nil || len(covered[res.EndID]) != 2 {
			t.Errorf("on the deny list: %v, %v", covered, err)
		}
	}
}
