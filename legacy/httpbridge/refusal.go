package httpbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"crossfade.dev/crossfade/internal/fault"
)

// newBody hides the reader's type from net/http, so that its transport never sends a call a second time
// by itself: the second sending needs a nonce of its own.
func newBody(body []byte) io.Reader { return io.NopCloser(bytes.NewReader(body)) }

func (b *Bridge) unreachable(ctx context.Context, err error) error {
	what := "the legacy system cannot be reached"
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		what = fmt.Sprintf("the legacy system did not answer within %s", b.cfg.Timeout)
	}
	return fault.Wrap(err, fault.Unavailable, "%s", what).
		WithHint("check that the legacy application is up and that this host reaches it: curl -i %s", b.base.Redacted())
}

// refused turns a status other than 200 into a fault that says what to check. again is true for a used
// nonce, which a second sending replaces.
func (b *Bridge) refused(resp *http.Response, body []byte) (again bool, err error) {
	status := resp.StatusCode
	cause := fmt.Errorf("status %d: %s", status, excerpt(body))
	var said struct {
		Error string `json:"error"`
	}
	isBridge := json.Unmarshal(body, &said) == nil && said.Error != ""
	switch {
	case status == http.StatusNotFound:
		return false, fault.Wrap(cause, fault.Denied, "the legacy system does not know the bridge").
			WithHint("check that the bridge secret and key id are the same on both sides, that crossfade's URLs and middleware are installed there, and that the bridge url is right: %s", b.base.Redacted())
	case status == http.StatusConflict && said.Error == "stale":
		return false, fault.Wrap(cause, fault.Denied, "the legacy system's clock differs by more than 60 s").
			WithHint("synchronise the clocks of this host and of the legacy host (compare: date -u)")
	case status == http.StatusConflict && said.Error == "replayed":
		return true, fault.Wrap(cause, fault.Denied, "the legacy system has seen this call before").
			WithHint("check that nothing between here and the legacy application sends requests twice")
	case status == http.StatusBadRequest && isBridge:
		return false, fault.Wrap(cause, fault.Invalid, "the legacy system found the call malformed").
			WithHint("check that crossfade and its package in the legacy application have versions that go together")
	case status == http.StatusBadRequest:
		return false, fault.Wrap(cause, fault.Denied, "the legacy application refused the request before the bridge saw it").
			WithHint("in Django, add the host name of %s to ALLOWED_HOSTS, or set the bridge's host to a name that is listed", b.base.Redacted())
	case status >= 300 && status < 400:
		return false, fault.Wrap(cause, fault.Denied, "the legacy application redirects the bridge to another address").
			WithHint("if it redirects to https, send the header X-Forwarded-Proto: https with bridge calls, or exempt %s", Path)
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return false, fault.Wrap(cause, fault.Unavailable, "the legacy system failed with status %d", status).
			WithHint("look into the legacy application's error log")
	}
	return false, fault.Wrap(cause, fault.Denied, "the legacy application refused the bridge with status %d", status).
		WithHint("check that nothing in front of %s%s asks for a login or a CSRF token", b.base.Redacted(), Path)
}

// nonsense is an answer with status 200 that breaks the protocol. It counts as unavailable, so that the
// visitor takes the same fallback as when nobody answers.
func nonsense(err error, method string) error {
	return fault.Wrap(err, fault.Unavailable, "the legacy system's answer to %s is not the bridge's", method).
		WithHint("check that the bridge url leads to the legacy application itself and that both sides have versions that go together")
}

// excerpt keeps the log short. Bodies of refusals hold no session data.
func excerpt(body []byte) []byte {
	const most = 200
	if len(body) > most {
		body = body[:most]
	}
	return bytes.ToValidUTF8(body, []byte("?"))
}
