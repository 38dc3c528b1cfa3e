package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"crossfade.dev/crossfade/client/browser"
)

func TestHandler(t *testing.T) {
	handler := browser.Handler()
	get := func(method, target, tag string) *http.Response {
		r := httptest.NewRequest(method, target, nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result()
	}

	t.Run("the classic script is the module without its export", func(t *testing.T) {
		if strings.Contains(browser.Classic(), "\nexport") || !strings.Contains(browser.Module(), "\nexport {") {
			t.Error("the export is in the wrong one")
		}
		if strings.Count(browser.Module(), "\nexport") != 1 || strings.Contains(browser.Module(), "\nimport") {
			t.Error("the module must have one export statement, at its end, and no import")
		}
	})
	t.Run("each has a tag of its own, and a page that has it loads nothing", func(t *testing.T) {
		classic, module := get("GET", "/_crossfade/client.js", ""), get("GET", "/_crossfade/client.js?module", "")
		if classic.Header.Get("ETag") == module.Header.Get("ETag") {
			t.Error("one tag for two texts")
		}
		if again := get("GET", "/_crossfade/client.js", classic.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("status %d", again.StatusCode)
		}
		if got := classic.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
	})
	t.Run("nothing but GET and HEAD", func(t *testing.T) {
		if res := get("POST", "/_crossfade/client.js", ""); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" {
			t.Errorf("status %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
		}
	})
	t.Run("it stays one small file", func(t *testing.T) {
		if size := len(browser.Module()); size > 16<<10 {
			t.Errorf("%d bytes: what can go?", size)
		}
	})
}

// TestTypes holds the types to the code: what one exports, the other declares.
func TestTypes(t *testing.T) {
	types, err := os.ReadFile("crossfade.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(browser.Module(), "\nexport {")
	list, _, _ = strings.Cut(list, "}")
	for entry := range strings.SplitSeq(list, ",") {
		local, public, renamed := strings.Cut(strings.TrimSpace(entry), " as ")
		pattern := fmt.Sprintf(`(?m)^export (const|function) %s\b`, local)
		if renamed {
			pattern = fmt.Sprintf(`(?m)^export (\{ %s as %s \}|%s %s);`, local, public, public, local)
		}
		if !regexp.MustCompile(pattern).Match(types) {
			t.Errorf("crossfade.d.ts does not declare %q", strings.TrimSpace(entry))
		}
	}
}
