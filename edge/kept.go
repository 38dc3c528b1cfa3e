package edge

import (
	"strings"

	"github.com/maypok86/otter/v2"

	"crossfade.dev/crossfade/internal/keyring"
)

// kept reads one kind of cookie that this edge's ring signed or sealed. A browser brings the same one with
// every request, so what was good is kept, each under its whole text: what did not verify is never found,
// nor is another spelling of what did. What a cookie is worth at this moment is judged by whoever asked,
// each time.
type kept[T any] struct {
	ring *keyring.Ring
	read func(*keyring.Ring, string) *T
	good *otter.Cache[string, *T]
}

// keptCookies bounds the memory of one kind to about 10 MB.
const keptCookies = 16384

func newKept[T any](ring *keyring.Ring, read func(*keyring.Ring, string) *T) *kept[T] {
	return &kept[T]{ring: ring, read: read, good: otter.Must(&otter.Options[string, *T]{MaximumSize: keptCookies})}
}

// shared has a reader's answers kept where many can look at them.
func shared[T any](read func(*keyring.Ring, string) (T, bool)) func(*keyring.Ring, string) *T {
	return func(ring *keyring.Ring, text string) *T {
		v, ok := read(ring, text)
		if !ok {
			return nil
		}
		return &v
	}
}

// open reads a cookie; nil: it is not ours. The answer is shared with other requests and must not be changed.
func (k *kept[T]) open(text string) *T {
	if v, ok := k.good.GetIfPresent(text); ok {
		return v
	}
	v := k.read(k.ring, text)
	if v != nil {
		k.good.Set(strings.Clone(text), v) // the text is part of a whole header
	}
	return v
}
