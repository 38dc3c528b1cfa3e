package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// good is the smallest configuration that has one of everything which the cases below spoil.
const good = `public:
  listen: 127.0.0.1:8080
  url: https://shop.example.com
internal:
  listen: 127.0.0.1:8081
keys:
  - {id: 1, file: secrets/key-1}
upstreams:
  django: {url: "http://127.0.0.1:8000", trusted: true}
  storefront: {url: "http://127.0.0.1:9000"}
legacy:
  upstream: django
  cookie: {name: sessionid}
  bridge:
    secrets: [{id: 1, env: BRIDGE_1}]
access:
  login: /login/
routes:
  - {path: /admin/, upstream: django, tools: true}
  - {path: /cart/, legacy: django, new: storefront}
  - {path: /, upstream: django}
session:
  idle: 14d
clients:
  - {name: storefront, role: service, secret: {env: STOREFRONT}}
admin:
  token: {file: secrets/admin.token}
rollout:
  stages: [0.25%, {share: 25%, approval: true}, 100%]
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("crossfade.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, good)
	t.Run("defaults fill what is not said", func(t *testing.T) {
		if got := c.Session.Absolute.D(); got != 30*24*time.Hour {
			t.Errorf("session.absolute = %s", got)
		}
		if got := c.Upstreams["django"].ConnectTimeout.D(); got != 2*time.Second {
			t.Errorf("connect_timeout of an upstream = %s", got)
		}
		if got := c.Routes[1].OnStoreDown; len(got) != 3 || got[0] != "stale" {
			t.Errorf("on_store_down = %v", got)
		}
	})
	t.Run("what follows from other fields is filled in", func(t *testing.T) {
		if got := c.Upstreams["storefront"].Audience; got != "storefront" {
			t.Errorf("audience = %q", got)
		}
		if got := c.Legacy.Bridge.URL; got != "http://127.0.0.1:8000/_crossfade/bridge/v1" {
			t.Errorf("bridge.url = %q", got)
		}
		if c.Cookies.SameSite != "lax" || !*c.Legacy.Cookie.Secure || !c.Public.Secure() {
			t.Errorf("cookies: same_site %q, secure %v", c.Cookies.SameSite, *c.Legacy.Cookie.Secure)
		}
	})
	t.Run("shares are exact and have two forms", func(t *testing.T) {
		s := c.Rollout.Stages
		if s[0].Share != 2500 || s[1].Share != 250_000 || !s[1].Approval || s[2].Share != config.Whole {
			t.Errorf("stages = %+v", s)
		}
	})
	t.Run("a route sends both systems where it says", func(t *testing.T) {
		if c.Routes[1].Target(true) != "storefront" || c.Routes[1].Target(false) != "django" || c.Routes[2].Target(true) != "django" {
			t.Error("wrong targets")
		}
	})
}

func TestParse_Refuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, message, hint string }{
		{"unknown key with the nearest name", "  listen: 127.0.0.1:8080", "  listn: 127.0.0.1:8080", "crossfade.yaml:2:3: public.listn: unknown key", `did you mean "listen"?`},
		{"unknown section", "access:", "acess:", "16:1: acess: unknown key", `did you mean "access"?`},
		{"dashes for underscores", "session:\n  idle: 14d", "session:\n  guest-life: 14d", "session.guest-life: unknown key", `did you mean "guest_life"?`},
		{"inline secret", "{id: 1, file: secrets/key-1}", "{id: 1, secret: hunter2hunter2hunter2hunter2hunter2}", "keys[0].secret: unknown key", "no secret stands in this file"},
		{"inline token", "token: {file: secrets/admin.token}", "token: {token: hunter2}", "admin.token.token: unknown key", "no secret stands in this file"},
		{"a client's inline secret", "secret: {env: STOREFRONT}", "secret: hunter2hunter2hunter2hunter2hunter2", "clients[0].secret: must be a map of names to values", "no secret stands in this file"},
		{"an inline admin token", "token: {file: secrets/admin.token}", "token: hunter2", "admin.token: must be a map of names to values", "env: <NAME>"},
		{"an inline address of the store", "session:\n", "session:\n  store: {kind: postgres, dsn: \"postgres://u:hunter2@h/d\"}\n", "session.store.dsn: must be a map of names to values", "env: <NAME>"},
		{"PostgreSQL without an address", "session:\n", "session:\n  store: {kind: postgres}\n", "session.store.dsn: is missing", "CROSSFADE_SESSION_DSN"},
		{"an address that the store has no use for", "session:\n", "session:\n  store: {dsn: {env: A}}\n", "session.store.dsn: is not for kind sqlite", "kind: postgres"},
		{"a store that there is not", "session:\n", "session:\n  store: {kind: postgre}\n", `"postgre" is not one of sqlite, postgres, redis`, `did you mean "postgres"?`},
		{"Redis without an address", "session:\n", "session:\n  store: {kind: redis}\n", "session.store.redis.addresses: are missing", "127.0.0.1:6379"},
		{"Redis with an address of another kind", "session:\n", "session:\n  store: {kind: redis, redis: {addresses: [\"redis://u:p@h\"]}}\n", "session.store.redis.addresses[0]", "host:port"},
		{"Redis where it is not the kind", "session:\n", "session:\n  store: {redis: {addresses: [\"h:1\"]}}\n", "session.store.redis: is not for kind sqlite", "kind: redis"},
		{"an inline password of Redis", "session:\n", "session:\n  store: {kind: redis, redis: {addresses: [\"h:1\"], password: hunter2}}\n", "session.store.redis.password: must be a map of names to values", "env: <NAME>"},
		{"a prefix with a brace", "session:\n", "session:\n  store: {kind: redis, redis: {addresses: [\"h:1\"], prefix: \"a{b\"}}\n", "session.store.redis.prefix", "letters"},
		{"TLS settings without TLS", "session:\n", "session:\n  store: {kind: redis, redis: {addresses: [\"h:1\"], tls: {ca: ca.pem}}}\n", "session.store.redis.tls: has settings", "enabled: true"},
		{"an address from two places", "session:\n", "session:\n  store: {kind: postgres, dsn: {env: A, file: b}}\n", "session.store.dsn: says both file and env", ""},
		{"a binary file", "access:", "\x7fELF\x00access:", "crossfade.yaml:16:5: is not text", "crossfade init"},
		{"text of another encoding", "login: /login/", "login: /\xe4rger/", "is not text", "UTF-8"},
		{"secret from two places", "{id: 1, file: secrets/key-1}", "{id: 1, file: a, env: B}", "says both file and env", ""},
		{"key id out of range", "{id: 1, file: secrets/key-1}", "{id: 256, file: a}", "keys[0].id: 256 is not between 1 and 255", ""},
		{"key id twice", "  - {id: 1, file: secrets/key-1}", "  - {id: 1, file: a}\n  - {id: 1, file: b}", "keys[1].id: 1 is given twice", ""},
		{"no key", "keys:\n  - {id: 1, file: secrets/key-1}", "keys: []", "keys: needs at least one key", "crossfade init"},
		{"key given twice", "access:\n  login: /login/", "access:\n  login: /login/\n  login: /other/", `access: "login" is given twice`, "the first is on line"},
		{"merge keys", "access:\n  login: /login/", "access:\n  <<: {login: /login/}", "a key must be a plain name", "merge keys"},
		{"anchors", "access:\n  login: /login/", "access:\n  login: &x /login/", "anchors, aliases and tags are not supported", "write the value out"},
		{"a list where a map belongs", "access:\n  login: /login/", "access:\n  - login", "access: must be a map", ""},
		{"a map where a value belongs", "login: /login/", "login: {a: b}", "access.login: must be one value", ""},
		{"two documents", "rollout:", "---\na: 1\n---\nrollout:", "more than one YAML document", ""},
		{"duration without unit", "idle: 14d", "idle: 14", `session.idle: "14" has no unit`, "like"},
		{"negative duration", "idle: 14d", "idle: -14h", "is not a duration", ""},
		{"more patience under kill than without", "idle: 14d", "kill_deadline: 1s", "session.kill_deadline: 1s is longer than deadline, 500ms", "shorter"},
		{"idle longer than absolute", "idle: 14d", "idle: 40d", "40d is longer than absolute, 30d", ""},
		{"yes for true", "tools: true", "tools: yes", "must be true or false", ""},

		{"share finer than a millionth", "[0.25%,", "[0.00001%,", "finer than a millionth", "0.0001%"},
		{"share of 101", "100%]", "101%]", "101% is more than 100%", ""},
		{"stages that shrink", "[0.25%,", "[30%,", "is not wider than stage 1 (30%)", ""},
		{"stages that never finish", ", 100%]", "]", "the last stage must be 100%", ""},

		{"public url without https", "https://shop.example.com", "http://shop.example.com", "public.url: session cookies would travel unencrypted", "localhost"},
		{"public url for any host", "https://shop.example.com", `"https://*.example.com"`, "must name one host", ""},
		{"public url in letters that no Host has", "https://shop.example.com", "https://bücher.example.com", "letters that no Host header has", "xn--"},
		{"a host with a scheme", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [https://m.example.com]", `public.hosts[0]: "https://m.example.com" is an address`, "without the scheme"},
		{"a host with a path", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [m.example.com/x]", "is not a host", "*.example.com"},
		{"every host", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [\"*\"]", "has a * where none can be", "*.example.com"},
		{"a whole top-level domain", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [\"*.com\"]", "every site of a top-level domain", ""},
		{"a wildcard within a name", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [shop-*.example.com]", "has a * where none can be", "first label"},
		{"a host in letters that none has", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [bücher.example]", "letters that no Host header has", "xn--"},
		{"a host with a dot at its end", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [m.example.com.]", "ends with a dot", ""},
		{"a host twice", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [m.example.com, M.example.com]", "public.hosts[1]: \"M.example.com\" is given twice", ""},
		{"a host with a port that is none", "  url: https://shop.example.com", "  url: https://shop.example.com\n  hosts: [\"m.example.com:0\"]", "no port that there is", ""},
		{"a size without a number", "  url: https://shop.example.com", "  url: https://shop.example.com\n  max_body: large", `public.max_body: "large" is not a size`, "32MiB"},
		{"a size below zero", "  url: https://shop.example.com", "  url: https://shop.example.com\n  max_body: -1", "is not a size", "0 is no limit"},
		{"a size beyond all disks", "  url: https://shop.example.com", "  url: https://shop.example.com\n  max_body: 99999GiB", "is more than", "0 is no limit"},
		{"a limit that no form fits", "  url: https://shop.example.com", "  url: https://shop.example.com\n  max_body: 10", "less than a form takes", ""},
		{"patience without end for a stalled body", "  url: https://shop.example.com", "  url: https://shop.example.com\n  body_stall: 1h", "is not between 1s and 10m", ""},
		{"believing every proxy", "  url: https://shop.example.com", "  url: https://shop.example.com\n  trusted_proxies: [0.0.0.0/0]", "lets every visitor choose", ""},
		{"half a certificate", "  url: https://shop.example.com", "  url: https://shop.example.com\n  tls: {key: k.pem}", "public.tls: has only one half", ""},
		{"internal listener for everybody", "127.0.0.1:8081", ":8081", "internal.listen: \":8081\" could be reached by strangers", "expose: true"},
		{"internal listener on a public address", "127.0.0.1:8081", "203.0.113.7:8081", "could be reached by strangers", ""},
		{"one port for both listeners", "127.0.0.1:8081", "127.0.0.1:8080", "is the public listener too", ""},

		{"wildcard upstream", "http://127.0.0.1:9000", "http://*.example.com", "upstreams.storefront.url: must be a fixed address", "open relay"},
		{"upstream from the request", "http://127.0.0.1:9000", "http://${host}", "must be a fixed address", "open relay"},
		{"upstream that is the edge", "http://127.0.0.1:9000", "http://localhost:8080", "round for ever", ""},
		{"upstream that is the internal listener", "http://127.0.0.1:9000", "http://127.0.0.1:8081", "round for ever", ""},
		{"upstream that is the public site", "http://127.0.0.1:9000", "http://shop.example.com", "round for ever", ""},
		{"upstream with a password", "http://127.0.0.1:9000", "http://user:pw@127.0.0.1:9000", "must not hold a user and password", ""},
		{"upstream with a path", "http://127.0.0.1:9000", "http://127.0.0.1:9000/app", "scheme, host and port alone", ""},
		{"upstream by file", "http://127.0.0.1:9000", "file:///etc/passwd", "is not an address", ""},
		{"two upstreams of one audience", `storefront: {url: "http://127.0.0.1:9000"`, `storefront: {audience: django, url: "http://127.0.0.1:9000"`, "has the audience of", ""},

		{"no routes", good[strings.Index(good, "routes:"):strings.Index(good, "session:")], "", "routes: are missing", ""},
		{"route to nowhere", "new: storefront", "new: storefrnt", `routes[1].new: no upstream is called "storefrnt"`, `did you mean "storefront"?`},
		{"route that forgets a system", "legacy: django, new: storefront", "new: storefront", "does not say where all visitors go", ""},
		{"route that is never reached", "{path: /cart/, legacy", "{path: /admin/users/, legacy", "routes[1]: is never reached: routes[0]", "move it up"},
		{"route into Crossfade's own paths", "{path: /cart/, legacy", "{path: /_crossfade/x, legacy", "is Crossfade's own", ""},
		{"route with dots", "{path: /cart/, legacy", "{path: /a/../b, legacy", "dotted segments", ""},
		{"route with half a placeholder", "{path: /cart/, legacy", `{path: "/a{id}/", legacy`, "not a whole segment", ""},
		{"tools on the new system", "{path: /cart/, legacy: django", "{path: /cart/, tools: true, legacy: django", "must go to the legacy upstream", ""},
		{"a callback that is the whole site", "{path: /, upstream", "{path: /, callback: true, upstream", "would open the whole site", "/sso/acs/"},
		{"a callback that is nearly that", "{path: /cart/,", `{path: "/{any}/", callback: true,`, "would open the whole site", ""},
		{"a callback that takes no form", "{path: /cart/,", "{path: /cart/, callback: true, methods: [GET],", "takes no POST", "add POST"},
		{"plain with two systems", "{path: /cart/,", "{path: /cart/, plain: true,", "does not know which system governs", "give upstream"},
		{"plain that asks for a login", "{path: /cart/, legacy: django, new: storefront", "{path: /cart/, plain: true, require: authenticated, upstream: django", "so require: authenticated means nothing here", ""},
		{"plain that counts a step", "{path: /cart/, legacy: django, new: storefront", "{path: /cart/, plain: true, step: 3, upstream: django", "so step means nothing here", ""},
		{"a route's limit that no form fits", "{path: /cart/,", "{path: /cart/, max_body: 5,", "routes[1].max_body: 5 bytes are less", ""},
		{"a negative client budget", "  bridge:\n", "  bridge:\n    client_budget: -1\n", "-1 is not between 0", ""},
		{"unknown policy", "{path: /cart/,", "{path: /cart/, on_store_down: [stael],", "is not one of", `did you mean "stale"?`},
		{"policy behind one that always succeeds", "{path: /cart/,", "{path: /cart/, on_store_down: [guest, stale],", "never tried", ""},
		{"login redirect off the site", "login: /login/", "login: //evil.example", "is not a path of this site", ""},
		{"native route without a way to tell", "{path: /cart/,", "{path: /cart/, channel: native,", "no request counts as native", ""},

		{"CSRF cookie among the related", "  cookie: {name: sessionid}", "  cookie: {name: sessionid}\n  related_cookies: [csrftoken]", "is a CSRF cookie", ""},
		{"one of our own names as legacy cookie", "{name: sessionid}", "{name: cf_session}", "one of Crossfade's own names", ""},
		{"unknown legacy upstream", "upstream: django\n  cookie", "upstream: djnago\n  cookie", `no upstream is called "djnago"`, "django"},
		{"unknown role", "role: service", "role: root", `"root" is not one of`, ""},
		{"partitioned without none", "session:\n", "cookies: {partitioned: true}\nsession:\n", "means nothing while same_site is lax", ""},
		{"not YAML", "routes:", "routes: [", "is not YAML", ""},
		{"a tab", "public:\n  listen", "public:\n\tlisten", "crossfade.yaml:2:1: is not YAML: a tab", "indent with spaces"},
		{"nested without end", "routes:", "routes: " + strings.Repeat("[", 40), "nested more than 32 deep", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("the case spoils %q, which the good configuration does not have", c.old)
			}
			_, err := config.Parse("crossfade.yaml", []byte(strings.Replace(good, c.old, c.new, 1)))
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("accepted, or wrong code: %v", err)
			}
			message, hint := fault.Public(err)
			if !strings.Contains(message, c.message) || !strings.Contains(message+"\n"+hint, c.hint) {
				t.Errorf("says %q, hint %q; want %q, %q", message, hint, c.message, c.hint)
			}
			if strings.Contains(message+hint, "hunter2") {
				t.Error("repeats a secret")
			}
		})
	}
}

func TestParse_Problems(t *testing.T) {
	t.Run("all mistakes are told at once, in the order of the file", func(t *testing.T) {
		text := strings.NewReplacer("login: /login/", "login: login", "listen: 127.0.0.1:8080", "listen: nowhere").Replace(good)
		_, err := config.Parse("crossfade.yaml", []byte(text))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) != 2 {
			t.Fatalf("%v", err)
		}
		if problems[0].Path != "public.listen" || problems[0].Line != 2 || problems[1].Path != "access.login" {
			t.Errorf("%+v", problems)
		}
	})
	t.Run("a value that is missing points at its section", func(t *testing.T) {
		_, err := config.Parse("crossfade.yaml", []byte(strings.Replace(good, "  upstream: django\n", "", 1)))
		if message, _ := fault.Public(err); !strings.HasPrefix(message, "crossfade.yaml:11:1: legacy.upstream: is missing") {
			t.Error(message)
		}
	})
	t.Run("an empty file says how to begin", func(t *testing.T) {
		_, err := config.Parse("crossfade.yaml", []byte("# nothing\n"))
		if _, hint := fault.Public(err); !strings.Contains(hint, "crossfade init") {
			t.Error(hint)
		}
	})
}

func TestLoad(t *testing.T) {
	t.Run("relative paths count from the folder of the file", func(t *testing.T) {
		folder := t.TempDir()
		path := filepath.Join(folder, "crossfade.yaml")
		if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.Keys[0].File != filepath.Join(folder, "secrets/key-1") || c.Data.Folder != filepath.Join(folder, "data") || c.File() != path {
			t.Errorf("key %s, data %s", c.Keys[0].File, c.Data.Folder)
		}
	})
	t.Run("a missing file names the command that makes one", func(t *testing.T) {
		_, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"))
		if _, hint := fault.Public(err); !strings.Contains(hint, "crossfade init") {
			t.Error(hint)
		}
	})
}

func TestStarter(t *testing.T) {
	t.Run("what init writes is accepted", func(t *testing.T) {
		text, err := config.Starter{Upstream: "http://127.0.0.1:8000", Public: "http://localhost:8088"}.Write()
		if err != nil {
			t.Fatal(err)
		}
		c := parse(t, text)
		if c.Public.Listen != "127.0.0.1:8088" {
			t.Errorf("listens on %s", c.Public.Listen)
		}
		for _, file := range config.StarterSecrets() {
			if !strings.Contains(text, "file: "+file) {
				t.Errorf("%s is made and not used", file)
			}
		}
	})
	t.Run("addresses that would not work are refused", func(t *testing.T) {
		for _, s := range []config.Starter{
			{Upstream: "localhost", Public: "http://localhost:8080"},
			{Upstream: "http://127.0.0.1:8000\"\nx: y", Public: "http://localhost:8080"},
			{Upstream: "http://127.0.0.1:8000", Public: "http://shop.example.com"},
		} {
			if _, err := s.Write(); err == nil {
				t.Errorf("accepted %+v", s)
			}
		}
	})
}

// FuzzParse promises that no text crashes the parser, and that what it accepts holds together.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("public: {listen: [}")
	f.Add("a: &a [*a, *a]\nkeys: *a")
	f.Add("? [a, b]\n: c\n")
	f.Add("---\n...\n---\nkeys: !!binary x\n")
	f.Add("routes:\n- path: \"\\u0000\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("fuzz.yaml", []byte(text))
		if (c == nil) == (err == nil) {
			t.Fatal("neither or both of a configuration and an error")
		}
		if err != nil {
			if message, _ := fault.Public(err); message == "internal error" || fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("an error that nobody can act on: %v", err)
			}
			return
		}
		if len(c.Keys) == 0 || len(c.Routes) == 0 || c.Upstreams[c.Legacy.Upstream].URL == "" {
			t.Fatal("accepted a configuration with a hole")
		}
	})
}
