package system_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refused fails unless the first answer has the status, and neither application heard of any of it.
func (s *site) refused(t *testing.T, text string, want int) {
	t.Helper()
	answers := s.raw(t, text, 1)
	if len(answers) != 1 || answers[0].status != want {
		t.Errorf("answered %v, want %d", statuses(answers), want)
	}
	for _, r := range append(s.shop.take(), s.monolith.take()...) {
		t.Errorf("an application received %s", r.Target)
	}
}

func TestOutsider_Hosts(t *testing.T) {
	s := start(t)
	for host, want := range map[string]int{
		"evil.test": 421, "localhost.evil.test": 421, "192.0.2.1": 421, "localhost@evil.test": 400, "localhost:x": 400, "": 400,
	} {
		for _, target := range []string{"/", "/_crossfade/handshake", "/_crossfade/client.js"} {
			t.Run(fmt.Sprintf("%q for %s", host, target), func(t *testing.T) {
				s.refused(t, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nX-Forwarded-Host: localhost\r\n\r\n", want)
			})
		}
	}
	t.Run("another host in the target than in the header", func(t *testing.T) {
		s.refused(t, "GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421)
	})
	t.Run("no host at all", func(t *testing.T) {
		s.refused(t, "GET / HTTP/1.0\r\n\r\n", 400)
	})
	t.Run("the site itself is served, by name and by address", func(t *testing.T) {
		for _, host := range []string{"localhost", "LOCALHOST:1", s.public, "[::1]:8080"} {
			answers := s.raw(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n", 1)
			if len(answers) != 1 || answers[0].status != http.StatusOK {
				t.Errorf("%s was answered %v", host, statuses(answers))
			}
		}
	})
}

func TestOutsider_Bodies(t *testing.T) {
	s := start(t)
	s.configure(strings.Replace(configuration, "drain: 20s", "drain: 20s, max_body: 1KiB", 1))
	big := strings.Repeat("x", 1025)
	eventually(t, "the limit is in force", func() bool {
		answers := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 1025\r\n\r\n"+big, 1)
		return len(answers) == 1 && answers[0].status == http.StatusRequestEntityTooLarge
	})
	s.monolith.take()
	const behind = "GET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, text := range map[string]string{
		"announced": "Content-Length: 1025\r\n\r\n" + big,
		"in chunks": "Transfer-Encoding: chunked\r\n\r\n401\r\n" + big + "\r\n0\r\n\r\n",
	} {
		t.Run(name+": 413, and what stands behind is no request", func(t *testing.T) {
			answers := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"+text+behind, 2)
			if len(answers) != 1 || answers[0].status != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %v", statuses(answers))
			}
			for _, r := range s.monolith.take() {
				if r.Target != "/" || len(r.Body) > 1024 {
					t.Errorf("the monolith received %s with %d bytes", r.Target, len(r.Body))
				}
			}
		})
	}
	t.Run("what fits passes, and the next request with it", func(t *testing.T) {
		answers := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 1024\r\n\r\n"+big[1:]+behind, 2)
		if len(answers) != 2 || answers[0].status != http.StatusOK || answers[1].status != http.StatusOK {
			t.Errorf("answered %v", statuses(answers))
		}
	})
}
