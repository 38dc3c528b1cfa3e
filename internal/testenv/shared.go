package testenv

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// A server that all tests of a package share belongs to no test: it lives until [Main] ends.
var shared struct {
	sync.Mutex
	main     *mainTB
	postgres *Postgres
}

// Main runs the tests of a package and then stops the servers that they shared. TestMain calls it and exits
// with what it returns.
func Main(m *testing.M) int {
	tb := &mainTB{}
	shared.Lock()
	shared.main = tb
	shared.Unlock()
	code := m.Run()
	for i := len(tb.cleanups) - 1; i >= 0; i-- {
		tb.cleanups[i]()
	}
	if tb.failed {
		return 1
	}
	return code
}

// mainTB stands for the whole run of a package's tests. Everything that a helper here asks of a testing.TB is
// below; whatever else would be asked is nil and panics.
type mainTB struct {
	testing.TB
	cleanups []func()
	failed   bool
}

func (m *mainTB) Helper()          {}
func (m *mainTB) Failed() bool     { return m.failed }
func (m *mainTB) Cleanup(f func()) { m.cleanups = append(m.cleanups, f) }
func (m *mainTB) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (m *mainTB) Errorf(format string, args ...any) {
	m.failed = true
	m.Logf(format, args...)
}

// Fatalf cannot end the test that asked: it does not know it. A panic ends them all, and says why.
func (m *mainTB) Fatalf(format string, args ...any) {
	m.failed = true
	panic(fmt.Sprintf(format, args...))
}
