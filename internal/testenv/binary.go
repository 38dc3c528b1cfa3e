package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Binary builds the program that users get and returns its path. All tests of a run share one file:
// whoever comes first builds it, the others find it up to date (about 0.3 s).
func Binary(t testing.TB) string {
	t.Helper()
	return build(t, "crossfade", "./cmd/crossfade")
}

// build makes .build/test/<name> from a package of this module. The lock keeps two test processes from
// writing one file; "go build" itself finds out whether there is anything to do.
func build(t testing.TB, name, pkg string) string {
	t.Helper()
	dir := filepath.Join(buildDir(t), "test")
	must(t, os.MkdirAll(dir, 0o755))
	unlock := lockFile(t, filepath.Join(dir, name+".lock"))
	defer unlock()

	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("testenv: go build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// lockFile waits until this process alone holds the file.
func lockFile(t testing.TB, path string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	return func() { _ = f.Close() }
}
