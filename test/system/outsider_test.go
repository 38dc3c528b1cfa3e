package system_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is what the edge answered, read to the end.
type answer struct {
	status int
	header http.Header
	text   string
}

// raw sends bytes over a connection of their own and gives the answers that came until the edge closed it,
// or until it had answered the given number of times.
func (s *site) raw(t *testing.T, text string, most int) []answer {
	t.Helper()
	c, err := net.Dial("tcp", s.public)
	must(t, err)
	defer func() { _ = c.Close() }()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, text)
	must(t, err)
	var out []answer
	for r := bufio.NewReader(c); len(out) < most; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			break
		}
		out = append(out, answer{res.StatusCode, res.Header, string(text)})
	}
	return out
}

// bridge are the ways to spell the bridge's address that some server might read as such.
var bridge = []string{
	"/_crossfade/bridge/v1/exchange",
	"/_crossfade/bridge/v1/exchange/",
	"//_crossfade/bridge/v1/restore",
	"/./_crossfade/bridge/v1/end",
	"/x/../_crossfade/bridge/v1/end",
	"/../_crossfade/bridge/v1/end",
	"/%5fcrossfade/bridge/v1/end",
	"/%5Fcrossfade/bridge/v1/end",
	"/_%63rossfade/bridge/v1/inspect",
	"/%255fcrossfade/bridge/v1/end",
	"/_crossfade%2fbridge%2fv1%2fend",
	"/%2f_crossfade/bridge/v1/end",
	"/%2e/_crossfade/bridge/v1/end",
	"/x/%2e%2e/_crossfade/bridge/v1/end",
	"/x%2f..%2f_crossfade/bridge/v1/end",
	"/_crossfade/%62ridge/v1/end",
	"/_crossfade//bridge/v1/end",
	"/_crossfade/handshake/../bridge/v1/end",
	"/_crossfade/handshake%2f..%2fbridge/v1/end",
	"/_crossfade/client.js/../bridge/v1/end",
	"/_CROSSFADE/bridge/v1/end",
	"/_crossfade;x/bridge/v1/end",
	"/;x/_crossfade/bridge/v1/end",
	`/\_crossfade/bridge/v1/end`,
	`/%5c_crossfade/bridge/v1/end`,
	"/_crossfade%00/bridge/v1/end",
	"/%20_crossfade/bridge/v1/end",
	"/_crossfade./bridge/v1/end",
	"http://localhost/_crossfade/bridge/v1/end",
	"http://localhost//_crossfade/bridge/v1/end",
	"/_crossfade",
	"/_crossfade/",
	"/_crossfade?",
}

func TestOutsider_Bridge(t *testing.T) {
	s := start(t)
	for _, target := range bridge {
		t.Run("POST "+target, func(t *testing.T) {
			answers := s.raw(t, "POST "+target+" HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 2\r\n\r\n{}", 1)
			if len(answers) != 1 || answers[0].status != http.StatusNotFound {
				t.Errorf("answered %v", statuses(answers))
			}
			if got := s.monolith.take(); len(got) > 0 {
				t.Errorf("it reached the monolith as %q", got[0].Target)
			}
		})
	}
	for name, text := range map[string]string{
		"two lengths":         "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n",
		"a length and chunks": "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks in disguise":  "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunks twice":        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"a folded header":     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length:\r\n 0\r\n\r\n",
	} {
		t.Run("a request hidden behind "+name, func(t *testing.T) {
			s.raw(t, text+"POST /_crossfade/bridge/v1/end HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 2)
			for _, r := range s.monolith.take() {
				if strings.Contains(r.Target, "bridge") || strings.Contains(r.Body, "bridge") && r.Header.Get("Content-Length") == "" {
					t.Errorf("it reached the monolith: %+v", r)
				}
			}
		})
	}
	t.Run("the listener that is inside knows no bridge either", func(t *testing.T) {
		if status := s.status("/_crossfade/bridge/v1/end"); status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
	})
}

func statuses(answers []answer) (out []int) {
	for _, a := range answers {
		out = append(out, a.status)
	}
	return out
}

func TestOutsider_Headers(t *testing.T) {
	s := startNew(t)
	const forged = "forged-by-an-outsider"
	for name, request := range map[string]string{
		"as it is written":      "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade-Context: %s\r\n\r\n",
		"in another case":       "GET / HTTP/1.1\r\nHost: localhost\r\ncrOSSfade-conTEXT: %s\r\n\r\n",
		"with underscores":      "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade_Context: %s\r\nCROSSFADE_SESSION: %[1]s\r\n\r\n",
		"more than once":        "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade-Visitor: %s\r\nCrossfade-Visitor: %[1]s\r\n\r\n",
		"a handoff":             "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade-Session: %s\r\nCrossfade-Session-End: %[1]s\r\n\r\n",
		"a bridge signature":    "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade-Bridge-Signature: %s\r\nCrossfade-Bridge-Key: %[1]s\r\n\r\n",
		"one that is not known": "GET / HTTP/1.1\r\nHost: localhost\r\nCrossfade-Anything: %s\r\n\r\n",
		"as a trailer": "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nTransfer-Encoding: chunked\r\nTrailer: Crossfade-Context, crossfade_visitor\r\n\r\n" +
			"1\r\nx\r\n0\r\nCrossfade-Context: %s\r\ncrossfade_visitor: %[1]s\r\n\r\n",
		"named in Connection": "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Crossfade-Context, Crossfade-Visitor\r\nCrossfade-Context: %s\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answers := s.raw(t, fmt.Sprintf(request, forged), 1)
			if len(answers) != 1 {
				t.Fatalf("answered %v", statuses(answers))
			}
			for k, v := range answers[0].header {
				if strings.Contains(strings.Join(v, " "), forged) {
					t.Errorf("the answer has %s: %s", k, v)
				}
			}
			for _, r := range append(s.shop.take(), s.monolith.take()...) {
				for k, v := range r.Header {
					if strings.Contains(strings.Join(v, " "), forged) {
						t.Errorf("the application received %s: %s", k, v)
					}
				}
				if len(r.Trailer) > 0 {
					t.Errorf("the application received the trailers %v", r.Trailer)
				}
				if contexts := r.Header["Crossfade-Context"]; len(contexts) != 1 || strings.Count(contexts[0], ".") != 2 {
					t.Errorf("the application received the contexts %q", contexts)
				}
			}
		})
	}
}
