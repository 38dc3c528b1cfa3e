package edge

import (
	"io"
	"net/http"
)

// trailerGuard takes Crossfade's names out of the trailers that come with the end of a body, announced or
// not, before anybody copies them.
type trailerGuard struct {
	io.ReadCloser
	trailer  http.Header    // of a request: this very map is sent on
	response *http.Response // of a response: the map may only be made at the end
}

func (g *trailerGuard) Read(b []byte) (int, error) {
	n, err := g.ReadCloser.Read(b)
	if err != nil {
		g.strip()
	}
	return n, err
}

func (g *trailerGuard) Close() error {
	err := g.ReadCloser.Close()
	g.strip()
	return err
}

func (g *trailerGuard) strip() {
	h := g.trailer
	if g.response != nil {
		h = g.response.Trailer
	}
	for name := range h {
		if ours(name) {
			delete(h, name)
		}
	}
}
