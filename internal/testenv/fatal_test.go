package testenv_test

import (
	"fmt"
	"runtime"
	"testing"
)

// recorder is a testing.TB whose Fatalf ends only the goroutine that fatal started.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fatal runs f and returns the message that it failed with.
func fatal(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	if r.message == "" {
		t.Fatal("it did not fail")
	}
	return r.message
}
