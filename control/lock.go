package control

import (
	"errors"
	"os"
	"syscall"

	"crossfade.dev/crossfade/internal/fault"
)

// lock takes the file lock beside a database, so that one process alone writes it: each keeps its
// snapshot in memory and would publish over the other's. The kernel drops the lock with the process,
// kill -9 included; the empty file stays.
func lock(database string) (*os.File, error) {
	path := database + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "cannot open %s", path).
			WithHint("the directory must exist and be writable for this user")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.Wrap(err, fault.Precondition, "another process uses %s", database).
				WithHint("stop the other crossfade serve, or give this one a data directory of its own")
		}
		return nil, fault.Wrap(err, fault.Unavailable, "cannot lock %s", path).
			WithHint("keep the data directory on a local disk: network file systems may not lock")
	}
	return f, nil
}
