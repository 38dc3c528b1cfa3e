package system_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// limit bounds the size of every file that the running process writes, which its database meets as a
// disk that takes no more. It needs no privilege, and is lifted as easily.
func (s *site) limit(bytes uint64) {
	s.t.Helper()
	must(s.t, unix.Prlimit(s.pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: math.MaxUint64}, nil))
}

func TestFullDisk(t *testing.T) {
	s := startNew(t)
	v := s.visitor()
	v.get("/")
	_, err := v.send(http.MethodPost, "/count?to=1")
	must(t, err)

	s.limit(4096)
	t.Run("a write is refused, and nothing that was answered is lost", func(t *testing.T) {
		kept := 1
		for n := 2; n < 500; n++ {
			text, err := v.send(http.MethodPost, fmt.Sprintf("/count?to=%d", n))
			if err != nil {
				if !strings.Contains(err.Error(), "status 503") {
					t.Errorf("the application says %v", err)
				}
				break
			}
			if text == "kept" {
				kept = n
			}
		}
		if kept == 499 {
			t.Fatal("the disk is not full")
		}
		if text := v.get("/count"); !strings.HasSuffix(text, fmt.Sprintf(" %d", kept)) {
			t.Errorf("the counter says %s, want %d", text, kept)
		}
	})
	t.Run("pages and new guests are served", func(t *testing.T) {
		if text := v.get("/"); text != "shop" {
			t.Error(text)
		}
		if text := s.visitor().get("/"); text != "shop" {
			t.Error(text)
		}
	})
	t.Run("the log says what to do", func(t *testing.T) {
		if log := s.Logs(); !strings.Contains(log, "session database") {
			t.Errorf("it says: %s", log)
		}
	})
	t.Run("with space again it writes again, without a restart", func(t *testing.T) {
		s.limit(math.MaxUint64)
		eventually(t, "a write is kept", func() bool {
			text, err := v.send(http.MethodPost, "/count?to=1000")
			return err == nil && text == "kept"
		})
		if text := v.get("/count"); !strings.HasSuffix(text, " 1000") {
			t.Error(text)
		}
	})
	t.Run("and what it wrote is there after kill -9", func(t *testing.T) {
		s.Kill()
		s.Restart()
		if text := v.get("/count"); !strings.HasSuffix(text, " 1000") {
			t.Error(text)
		}
	})
}
