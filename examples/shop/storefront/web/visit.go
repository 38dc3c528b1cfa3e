package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/examples/shop/storefront/cart"
)

// The session keys, as the monolith named them.
const (
	keyCart     = "cart"            // {"<item id>": quantity}
	keyPromo    = "promo"           // "<code>"
	keyDelivery = "delivery"        // {"street", "city", "note"}
	keyRecent   = "recently_viewed" // store slugs, newest first
	keyCustomer = "customer"        // {"id", "username", "name"}, written at login
)

// recentLength is how many recently viewed stores are kept.
const recentLength = 4

// attempts is how often a change to the cart is tried when other tabs change it at the same moment.
const attempts = 4

// visit is one request with the session behind it, read once.
type visit struct {
	session Session
	values  map[string]json.RawMessage
	unread  bool // reading failed: nothing is known of the values
}

// address is where the food goes.
type address struct {
	Street string `json:"street"`
	City   string `json:"city"`
	Note   string `json:"note"`
}

type customer struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

// visit reads the session. With an error the visit still knows who is logged in, and no more.
func (s *Server) visit(r *http.Request) (*visit, error) {
	v := &visit{session: s.sessions(r)}
	err := v.refresh(r.Context())
	v.unread = err != nil
	return v, err
}

func (v *visit) refresh(ctx context.Context) error {
	values, err := v.session.Values(ctx)
	v.values = values
	return err
}

// value reads a session value into T; the zero value if it is absent or of another shape.
func value[T any](v *visit, key string) T {
	var out T
	text, ok := v.values[key]
	if !ok || json.Unmarshal(text, &out) != nil {
		var zero T
		return zero
	}
	return out
}

func (v *visit) cart() cart.Cart   { return cart.Parse(v.values[keyCart]) }
func (v *visit) promo() string     { return value[string](v, keyPromo) }
func (v *visit) delivery() address { return value[address](v, keyDelivery) }
func (v *visit) recent() []string  { return value[[]string](v, keyRecent) }

// customer is who is logged in. Who it is comes from the session plane alone; the session's own note
// adds the name, and only if it is about the same subject.
func (v *visit) customer() (c customer, known bool) {
	subject := v.session.Subject()
	if subject == "" {
		return customer{}, false
	}
	if c = value[customer](v, keyCustomer); c.ID == subject && c.Username != "" {
		return c, true
	}
	return customer{ID: subject, Username: subject, Name: "Account"}, true
}

// write makes a change and adds messages to those that wait in the session.
func (v *visit) write(ctx context.Context, change client.Change, say ...message) error {
	if len(say) > 0 {
		if change.Set == nil {
			change.Set = map[string]any{}
		}
		change.Set[keyMessages] = encodeMessages(append(v.messages(), say...))
	}
	return v.session.Patch(ctx, change)
}

// updateCart changes the cart by the given rule, again if another tab was faster.
func (v *visit) updateCart(ctx context.Context, rule func(cart.Cart) (cart.Cart, error), say ...message) error {
	for n := 1; ; n++ {
		next, err := rule(v.cart())
		if err != nil {
			return err
		}
		err = v.write(ctx, client.Change{Set: map[string]any{keyCart: next}, Unchanged: []string{keyCart}}, say...)
		if !errors.Is(err, client.ErrConflict) || n == attempts {
			return err
		}
		if err := v.refresh(ctx); err != nil {
			return err
		}
	}
}
