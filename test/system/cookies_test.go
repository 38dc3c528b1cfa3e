package system_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// ask navigates to the counter with cookies written by hand.
func (s *site) ask(t *testing.T, cookies ...string) answer {
	t.Helper()
	lines := ""
	for _, c := range cookies {
		lines += "Cookie: " + c + "\r\n"
	}
	answers := s.raw(t, "GET /count HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"+
		lines+"\r\n", 1)
	if len(answers) != 1 {
		t.Fatalf("no answer to %.200q", cookies)
	}
	return answers[0]
}

func TestCookies(t *testing.T) {
	s := startNew(t)
	mine, hers := countTo(t, s, 7), countTo(t, s, 8)
	long := strings.Repeat("x", 7000)
	for _, c := range []struct {
		name    string
		cookies []string
		want    int // the counter: 7 is mine, 8 is hers, 0 is a guest's
	}{
		{"mine alone", []string{"cf_session=" + mine}, 7},
		{"mine among others", []string{"a=1; cf_session=" + mine + "; b=2"}, 7},
		{"mine, and one that is dead", []string{"cf_session=cf1_dead; cf_session=" + mine}, 7},
		{"mine, and one that is dead, in two headers", []string{"cf_session=" + mine, "cf_session=cf1_dead"}, 7},
		{"mine twice", []string{"cf_session=" + mine + "; cf_session=" + mine}, 7},
		{"mine and hers: neither counts", []string{"cf_session=" + mine + "; cf_session=" + hers}, 0},
		{"hers and mine: neither counts", []string{"cf_session=" + hers, "cf_session=" + mine}, 0},
		{"in quotes, as some clients send it", []string{`cf_session="` + mine + `"`}, 7},
		{"in another case", []string{"CF_SESSION=" + mine}, 0},
		{"cut short", []string{"cf_session=" + mine[:len(mine)-1]}, 0},
		{"with more behind it", []string{"cf_session=" + mine + "A"}, 0},
		{"with a letter changed", []string{"cf_session=" + changed(mine)}, 0},
		{"mine beside a very long one", []string{"cf_session=" + long + "; cf_session=" + mine}, 7},
		{"mine beside a long stranger", []string{"tracking=" + long + "; cf_session=" + mine}, 7},
		{"very long", []string{"cf_session=" + long}, 0},
		{"many", []string{strings.Repeat("cf_session=cf1_dead; ", 300) + "x=y"}, 0},
		{"bytes that no cookie has", []string{"cf_session=\xff\xfe; cf_visitor=\xc3\x28; cf_ticket=\x80"}, 0},
		{"forged ones of every name", []string{"cf_session=cfg1_AAAA; cf_visitor=AAAA; cf_ticket=AAAA; cf_magic=AAAA; cf_tools=AAAA"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.shop.take()
			answer := s.ask(t, c.cookies...)
			if answer.status != http.StatusOK {
				t.Fatalf("status %d: %s", answer.status, answer.text)
			}
			if !strings.HasSuffix(answer.text, fmt.Sprintf(" %d", c.want)) {
				t.Errorf("she is served the session %q, want the one with %d", answer.text, c.want)
			}
			got := s.shop.take()
			if len(got) != 1 {
				t.Fatalf("the application received %d requests", len(got))
			}
			if cookies := strings.Join(got[0].Header["Cookie"], "; "); strings.Contains(cookies, "cf_") {
				t.Errorf("the application received the cookies %.100q", cookies)
			}
		})
	}
	t.Run("more than the limit is refused, and says so", func(t *testing.T) {
		answer := s.ask(t, "cf_session="+mine+"; tracking="+strings.Repeat("x", 80<<10))
		if answer.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", answer.status)
		}
	})
}

// countTo makes a visitor whose counter is at n, and gives her cookie.
func countTo(t *testing.T, s *site, n int) string {
	t.Helper()
	v := s.visitor()
	v.get("/")
	if text, err := v.send(http.MethodPost, fmt.Sprintf("/count?to=%d", n)); err != nil || text != "kept" {
		t.Fatalf("%s, %v", text, err)
	}
	return v.cookie("cf_session")
}

// changed gives a token with another letter in its secret.
func changed(token string) string {
	at := len(token) / 2
	letter := "A"
	if token[at] == 'A' {
		letter = "B"
	}
	return token[:at] + letter + token[at+1:]
}
