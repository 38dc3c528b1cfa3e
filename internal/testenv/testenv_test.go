package testenv_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"crossfade.dev/crossfade/internal/testenv"
)

func TestClock(t *testing.T) {
	clock := testenv.NewClock()
	start := clock.Now()
	if got := clock.Advance(90 * time.Second); !got.Equal(start.Add(90*time.Second)) || !clock.Now().Equal(got) {
		t.Errorf("after 90 s the clock says %v", clock.Now())
	}
	clock.Set(start)
	if !clock.Now().Equal(start) {
		t.Errorf("set back, the clock says %v", clock.Now())
	}
}

func TestPort(t *testing.T) {
	t.Run("a lease is not given twice, and can be listened on again and again", func(t *testing.T) {
		seen := map[int]bool{}
		for range 50 {
			port := testenv.Port(t)
			if seen[port] {
				t.Fatalf("port %d was leased twice", port)
			}
			seen[port] = true
		}
		for port := range seen {
			for range 2 {
				l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
				if err != nil {
					t.Fatal(err)
				}
				_ = l.Close()
			}
		}
	})
}

func TestSelfSigned(t *testing.T) {
	cert := testenv.SelfSigned(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = server.ServeTLS(listener, cert.CertFile, cert.KeyFile) }()
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	for _, host := range []string{"localhost", "127.0.0.1"} {
		res, err := cert.Client().Get("https://" + net.JoinHostPort(host, port))
		if err != nil {
			t.Fatalf("as %s: %v", host, err)
		}
		_ = res.Body.Close()
	}
	if res, err := http.Get("https://" + listener.Addr().String()); err == nil {
		_ = res.Body.Close()
		t.Error("a client that was not given the pool trusts the certificate")
	}
}

func TestBrowser(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<title>it works</title>"))
	}))
	t.Cleanup(server.Close)
	browser := testenv.Browser(t)
	if err := chromedp.Do(browser, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	if title, err := chromedp.Run(browser, chromedp.Title()); err != nil || title != "it works" {
		t.Errorf("title %q, error %v", title, err)
	}
}

func TestMissingThingsFailWithAHint(t *testing.T) {
	t.Run("a Django version that is not supported", func(t *testing.T) {
		if message := fatal(t, func(tb testing.TB) { testenv.Venv(tb, "1.0") }); !strings.Contains(message, "5.2") {
			t.Errorf("message: %s", message)
		}
	})
	t.Run("a browser that is not there", func(t *testing.T) {
		t.Setenv("CHROMIUM", "/does/not/exist")
		if message := fatal(t, func(tb testing.TB) { testenv.Chromium(tb) }); !strings.Contains(message, "CHROMIUM") {
			t.Errorf("message: %s", message)
		}
		t.Setenv("CHROMIUM", "")
		t.Setenv("PATH", t.TempDir())
		if message := fatal(t, func(tb testing.TB) { testenv.Chromium(tb) }); !strings.Contains(message, "make setup") {
			t.Errorf("message: %s", message)
		}
	})
	t.Run("a process that ends before it is ready", func(t *testing.T) {
		message := fatal(t, func(tb testing.TB) {
			testenv.Start(tb, testenv.Command{Name: "broken", Path: shell(t), Args: []string{"-c", "echo the reason; exit 3"},
				Ready: testenv.HTTPReady("http://" + testenv.Address(t))})
		})
		for _, want := range []string{"broken", "the reason", "exit status 3"} {
			if !strings.Contains(message, want) {
				t.Errorf("%q is missing in: %s", want, message)
			}
		}
	})
}

func shell(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}
