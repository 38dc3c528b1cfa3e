//go:build unix

package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"crossfade.dev/crossfade/internal/fault"
)

// fileLock keeps a second process off the database. The kernel gives it back when the process dies, however
// it dies; the number in the file is for people.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "cannot open the lock of the session database").
			WithHint("make %s writable for this user", path)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.Wrap(err, fault.Unavailable, "cannot lock the session database").
				WithHint("its folder must be on a local file system; locks of network file systems are not enough for SQLite either")
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only to name it
		return nil, fault.New(fault.Precondition, "the session database is in use by another process%s", who(holder)).
			WithHint("stop the other crossfade, or give this one a database of its own (session.store.path); several processes need PostgreSQL or Redis")
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0) // a lock without a number locks as well
	}
	return &fileLock{f}, nil
}

func who(holder []byte) string {
	if pid := strings.TrimSpace(string(holder)); pid != "" {
		return " (" + pid + ")"
	}
	return ""
}

// release leaves the file: removing it would race with the next process that opens it.
func (l *fileLock) release() error { return l.f.Close() }
