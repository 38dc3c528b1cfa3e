package edge_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// nameless are lines for which a browser sends what servers read as the cookie "sessionid" or one of ours.
var nameless = []string{
	"=sessionid=planted; Path=/",
	"  = sessionid=planted",
	"==sessionid=planted",
	"=sessionid=planted; Path=/; Max-Age=1000",
	"sessionid; Path=/",
	"=__Host-cf_session=planted; Secure; Path=/",
	"=cf_session=planted",
	"=__Host-cf_visitor=planted",
	"= __Host-cf_tools = planted",
	"sess%69onid=planted",
	`"sessionid"=planted`,
}

func TestNamelessSetCookie(t *testing.T) {
	planting := func(path, line string) string {
		return path + "?header=Set-Cookie&header=" + url.QueryEscape(line) + "&header=Set-Cookie&header=" + url.QueryEscape("=theme=dark")
	}
	for where, path := range map[string]string{
		"another upstream": "/stranger/", "the new system": "/", "the legacy system": "/mono/", "a tool": "/admin/", "a plain route": "/static/x",
	} {
		s := open(t, func(c *edge.Config) {
			c.Routes = append([]edge.Route{{Path: "/static/", Legacy: "django", New: "django", Plain: true}}, c.Routes...)
		})
		for _, started := range []bool{false, true} {
			if started {
				s.start()
			}
			for _, line := range nameless {
				t.Run(fmt.Sprintf("%s of %s does not reach the browser, rollout started: %v", line, where, started), func(t *testing.T) {
					counted := s.observer.count(edge.CountUntrusted)
					b := s.browser()
					b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
					got := b.nav(planting(path, line)).Response.Header["Set-Cookie"]
					for _, set := range got {
						if strings.Contains(set, "planted") || strings.HasPrefix(strings.TrimSpace(set), "sessionid;") {
							t.Errorf("set: %q", got)
						}
					}
					if !slices.Contains(got, "=theme=dark") {
						t.Errorf("a nameless cookie that is none of ours is gone: %q", got)
					}
					if s.observer.count(edge.CountUntrusted) == counted {
						t.Error("it was not counted")
					}
				})
			}
		}
	}
	t.Run("the real cookie beside it passes", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.nav(planting("/mono/", "=sessionid=planted") + "&login=ann")
		b.holds(t, "legacy")
		b.nav("/mono/").served(t, "django", "ann")
	})
}

func TestNamelessCookie(t *testing.T) {
	for _, order := range []string{"first", "last"} {
		t.Run("a nameless cookie "+order+" in the line cannot replace the session beside it", func(t *testing.T) {
			for _, started := range []bool{false, true} {
				s := open(t)
				if started {
					s.start()
				}
				mine := s.legacy.add("ann", session.VisitorID{})
				pairs := []string{"sessionid=nobody-knows-this-key", "sessionid=" + mine}
				if order == "last" {
					pairs[0], pairs[1] = pairs[1], pairs[0]
				}
				a := s.browser().nav("/account/", "Cookie", strings.Join(pairs, "; "))
				a.served(t, "django", "ann")
				if strings.Contains(a.who.Cookies, "nobody-knows-this-key") {
					t.Errorf("started %v: the application received %q", started, a.who.Cookies)
				}
				if s.observer.count(edge.CountDuplicate) == 0 {
					t.Error("the contradiction was not counted")
				}
			}
		})
	}
	t.Run("two that are both alive count as none", func(t *testing.T) {
		s := open(t)
		a := s.browser().nav("/mono/", "Cookie", "sessionid="+s.legacy.add("mallory", session.VisitorID{})+"; sessionid="+s.legacy.add("ann", session.VisitorID{}))
		a.served(t, "django", "")
	})
	t.Run("one of the session token's name cannot replace the token", func(t *testing.T) {
		s := open(t)
		b := member(started(s))
		token := cookieSession + "=" + b.cookies[cookieSession]
		s.browser().nav("/account/", "Cookie", cookieSession+"=cf1_planted; "+token+"; "+cookieVisitor+"="+b.cookies[cookieVisitor]).served(t, "django", "ann")
	})
	t.Run("one that is sent with its empty name is taken out, and not believed", func(t *testing.T) {
		_, legacy, rebuilt := edge.Jar([]string{"a=1; =sessionid=planted; = __Host-cf_session=planted; =theme=dark"}, "")
		if len(legacy) != 0 || rebuilt != "a=1; =theme=dark" {
			t.Errorf("believed %q, passed on %q", legacy, rebuilt)
		}
	})
}
