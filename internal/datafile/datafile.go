// Package datafile makes the files that databases live in.
//
// Invariant: what holds sessions or rollouts is readable by its owner alone, whatever the umask and
// whoever made the folder. The embedded stores call it before they open a database; SQLite gives its log
// and its shared memory the mode of the database file.
package datafile

import (
	"errors"
	"io/fs"
	"os"
)

// Private makes sure that path is a file that only its owner can read and write. An older file is
// tightened, with the files that SQLite keeps beside it.
func Private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(path+suffix, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
