package cart_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"testing"

	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/examples/shop/storefront/cart"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		want  cart.Cart
	}{
		"what Django wrote":                     {`{"201": 3, "601": 1}`, cart.Cart{"201": 3, "601": 1}},
		"nothing":                               {``, nil},
		"null":                                  {`null`, cart.Cart{}},
		"an id that is unknown here is kept":    {`{"99999": 2}`, cart.Cart{"99999": 2}},
		"entries that are no number are left":   {`{"201": "3", "202": 1.5, "203": -1, "204": null, "205": 1}`, cart.Cart{"205": 1}},
		"a value of another shape is no cart":   {`[1, 2]`, nil},
		"text that is not JSON is no cart":      {`{"201": `, nil},
		"a number too large for an int is left": {`{"201": 1e300, "202": 1}`, cart.Cart{"202": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cart.Parse(json.RawMessage(c.value)); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestCart_changes(t *testing.T) {
	t.Run("adding counts up to the limit and leaves the old cart alone", func(t *testing.T) {
		before := cart.Cart{"201": 1}
		after, err := before.Add(201, 100)
		if err != nil || after["201"] != cart.MaxQuantity || before["201"] != 1 {
			t.Errorf("before %v, after %v, %v", before, after, err)
		}
	})
	t.Run("an empty cart can be added to", func(t *testing.T) {
		if after, err := cart.Cart(nil).Add(201, 2); err != nil || after.Count() != 2 {
			t.Errorf("after %v, %v", after, err)
		}
	})
	t.Run("zero takes out", func(t *testing.T) {
		if after, _ := (cart.Cart{"201": 1, "601": 2}).Put(201, 0); !maps.Equal(after, cart.Cart{"601": 2}) {
			t.Errorf("after %v", after)
		}
	})
	t.Run("a full cart takes no other item, but more of the same", func(t *testing.T) {
		full := cart.Cart{}
		for id := range cart.MaxLines {
			full[strconv.Itoa(id+1)] = 1
		}
		if _, err := full.Add(1, 1); err != nil {
			t.Errorf("the same: %v", err)
		}
		if _, err := full.Add(9999, 1); !errors.Is(err, cart.ErrFull) {
			t.Errorf("another: %v", err)
		}
	})
}

// The sums are those of the monolith's tests: the visitor pays the same whoever serves the page.
func TestCart_Bill(t *testing.T) {
	catalogue, err := shop.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	bill := cart.Cart{"601": 1, "205": 1, "201": 1, "99999": 4, "odd": 1}.Bill(catalogue, "WELCOME10")
	if bill.Subtotal != 3150 || bill.Discount != 315 || bill.Delivery != 440 || bill.Total != 3275 {
		t.Errorf("got %+v", bill)
	}
	if len(bill.Stores) != 2 || len(bill.Lines()) != 3 || bill.Lines()[0].Item.ID != 201 {
		t.Errorf("lines %+v", bill.Lines())
	}
	if b := (cart.Cart{"201": 1}).Bill(catalogue, "NOPE"); b.Discount != 0 || b.Promotion != nil {
		t.Errorf("an unknown code gave %+v", b)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"201": 3}`, `null`, `[]`, `{"a": {"b": 1}}`, `{"1": 9999999999999999999}`, `{"201":1,"201":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		c := cart.Parse(value)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if again := cart.Parse(text); !maps.Equal(again, c) {
			t.Errorf("%s became %v, then %v", value, c, again)
		}
	})
}
