package datafile_test

import (
	"os"
	"path/filepath"
	"testing"

	"crossfade.dev/crossfade/internal/datafile"
)

func TestPrivate(t *testing.T) {
	mode := func(path string) os.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	path := filepath.Join(t.TempDir(), "a.db")
	t.Run("a new file is its owner's alone", func(t *testing.T) {
		if err := datafile.Private(path); err != nil || mode(path) != 0o600 {
			t.Fatalf("mode %v, %v", mode(path), err)
		}
	})
	t.Run("an older one is tightened, with its log, and keeps what it holds", func(t *testing.T) {
		for _, f := range []string{path, path + "-wal"} {
			if err := os.WriteFile(f, []byte("data"), 0o644); err != nil {
				t.Fatal(err)
			}
			os.Chmod(f, 0o644)
		}
		if err := datafile.Private(path); err != nil || mode(path) != 0o600 || mode(path+"-wal") != 0o600 {
			t.Fatalf("modes %v %v, %v", mode(path), mode(path+"-wal"), err)
		}
		if text, _ := os.ReadFile(path); string(text) != "data" {
			t.Fatalf("holds %q", text)
		}
	})
	t.Run("what is no file is refused", func(t *testing.T) {
		if err := datafile.Private(t.TempDir()); err == nil {
			t.Fatal("a folder was taken for a file")
		}
	})
}
