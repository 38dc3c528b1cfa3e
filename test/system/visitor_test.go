package system_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// visitor is a browser, as far as requests go.
type visitor struct {
	site   *site
	client *http.Client
	jar    *cookiejar.Jar
}

func (s *site) visitor() *visitor {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &visitor{site: s, jar: jar, client: &http.Client{Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// get navigates to a page and gives its text, or a text that says what went wrong.
func (v *visitor) get(path string) string {
	text, err := v.send(http.MethodGet, path)
	if err != nil {
		return err.Error()
	}
	return text
}

// send sends a request and gives the text of the answer; an error if there was none or it was no success.
func (v *visitor) send(method, path string) (string, error) {
	r, err := v.request(context.Background(), method, path)
	if err != nil {
		return "", err
	}
	res, err := v.client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return string(text), nil
}

func (v *visitor) request(ctx context.Context, method, path string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.home()+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	if method == http.MethodGet && path != "/events" {
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	return r, nil
}

func (v *visitor) home() string {
	_, port, _ := strings.Cut(v.site.public, ":")
	return "http://localhost:" + port
}

// cookie is the value of a cookie in the jar; empty: there is none.
func (v *visitor) cookie(name string) string {
	home, _ := url.Parse(v.home()) // we made it
	for _, c := range v.jar.Cookies(home) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
