// Package cart is the cart of one visitor and what it costs.
//
// Invariant: it reads and writes the session value of the monolith, {"<item id>": quantity}, so that a
// cart filled by either system is the same cart in the other; and both reach the same total. The
// storefront's pages call it; it knows nothing of sessions or HTTP.
package cart

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"crossfade.dev/crossfade/examples/shop"
)

const (
	// MaxQuantity is the most of one item.
	MaxQuantity = 20
	// MaxLines is the most different items.
	MaxLines = 50
)

// ErrFull says that the cart has MaxLines different items already.
var ErrFull = errors.New("the cart is full")

// Cart maps item ids, in decimal, to quantities. Nil is an empty cart.
type Cart map[string]int

// Parse reads the session's value. An entry that is not a whole, positive number is left out, and a
// value that is not an object is an empty cart: a page is never refused because of what is in a cart.
func Parse(value json.RawMessage) Cart {
	var entries map[string]json.RawMessage
	if len(value) == 0 || json.Unmarshal(value, &entries) != nil {
		return nil
	}
	c := make(Cart, len(entries))
	for id, text := range entries {
		var quantity int
		if json.Unmarshal(text, &quantity) == nil && quantity > 0 {
			c[id] = quantity
		}
	}
	return c
}

// Count is the number of things in the cart.
func (c Cart) Count() int {
	n := 0
	for _, quantity := range c {
		n += quantity
	}
	return n
}

// Add gives a cart with some more of an item, up to MaxQuantity. c stays as it is.
func (c Cart) Add(item, quantity int) (Cart, error) {
	return c.Put(item, c[strconv.Itoa(item)]+quantity)
}

// Put gives a cart with exactly this quantity of an item, up to MaxQuantity; 0 or less takes it out.
// c stays as it is.
func (c Cart) Put(item, quantity int) (Cart, error) {
	next := maps.Clone(c)
	if next == nil {
		next = Cart{}
	}
	id := strconv.Itoa(item)
	if quantity <= 0 {
		delete(next, id)
		return next, nil
	}
	next[id] = min(quantity, MaxQuantity)
	if len(next) > MaxLines {
		return c, ErrFull
	}
	return next, nil
}

// Line is one item in the cart.
type Line struct {
	Item     *shop.Item
	Quantity int
}

// Total is what the line costs.
func (l Line) Total() shop.Cents { return l.Item.Price * shop.Cents(l.Quantity) }

// FromStore is what comes from one kitchen.
type FromStore struct {
	Store *shop.Store
	Lines []Line
}

// Bill is what a cart costs.
type Bill struct {
	Stores    []FromStore
	Promotion *shop.Promotion // nil: none
	Subtotal  shop.Cents
	Discount  shop.Cents // zero or positive
	Delivery  shop.Cents
	Total     shop.Cents
}

// Bill prices the cart with a promotion code, which may be empty or unknown. Items that have left the
// menu are not charged.
func (c Cart) Bill(catalogue *shop.Catalogue, code string) Bill {
	b := Bill{Promotion: catalogue.Promotion(code)}
	for _, line := range c.lines(catalogue) {
		b.Subtotal += line.Total()
		if n := len(b.Stores); n > 0 && b.Stores[n-1].Store == line.Item.Store {
			b.Stores[n-1].Lines = append(b.Stores[n-1].Lines, line)
			continue
		}
		b.Stores = append(b.Stores, FromStore{Store: line.Item.Store, Lines: []Line{line}})
		b.Delivery += line.Item.Store.DeliveryFee
	}
	if b.Promotion != nil {
		b.Discount = b.Subtotal * shop.Cents(b.Promotion.Percent) / 100
	}
	b.Total = b.Subtotal - b.Discount + b.Delivery
	return b
}

// lines are in the order of stores and item ids.
func (c Cart) lines(catalogue *shop.Catalogue) []Line {
	var lines []Line
	for id, quantity := range c {
		n, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		if item := catalogue.Item(n); item != nil {
			lines = append(lines, Line{Item: item, Quantity: quantity})
		}
	}
	slices.SortFunc(lines, func(a, b Line) int {
		if a.Item.Store != b.Item.Store {
			return a.Item.Store.ID - b.Item.Store.ID
		}
		return a.Item.ID - b.Item.ID
	})
	return lines
}

// Lines are all lines of the bill, in order.
func (b Bill) Lines() []Line {
	var all []Line
	for _, s := range b.Stores {
		all = append(all, s.Lines...)
	}
	return all
}
