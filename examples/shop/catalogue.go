package shop

import (
	"encoding/json"
	"fmt"
)

// Cents is an amount of money.
type Cents int

// String writes €12.50 for 1250 and −€0.50 for -50.
func (c Cents) String() string {
	sign := ""
	if c < 0 {
		sign, c = "−", -c
	}
	return fmt.Sprintf("%s€%d.%02d", sign, c/100, c%100)
}

// Item is one dish.
type Item struct {
	ID          int      `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Price       Cents    `json:"price_cents"`
	Icon        string   `json:"icon"` // a symbol of sprite.svg
	Tags        []string `json:"tags"`

	Store *Store `json:"-"`
}

// Section is one heading of a menu.
type Section struct {
	Name  string  `json:"name"`
	Items []*Item `json:"items"`
}

// Store is one kitchen with its menu.
type Store struct {
	ID          int        `json:"id"`
	Slug        string     `json:"slug"`
	Name        string     `json:"name"`
	Cuisine     string     `json:"cuisine"`
	Tagline     string     `json:"tagline"`
	Icon        string     `json:"icon"`
	Hue         int        `json:"hue"` // of its tint, 0 to 360
	Rating      float64    `json:"rating"`
	Reviews     int        `json:"reviews"`
	ETA         [2]int     `json:"eta_minutes"` // from, to
	DeliveryFee Cents      `json:"delivery_fee_cents"`
	Sections    []*Section `json:"sections"`
}

// Promotion takes a percentage off the dishes, not off the delivery.
type Promotion struct {
	Code    string `json:"code"`
	Percent int    `json:"percent"`
	Title   string `json:"title"`
}

// Catalogue is everything that the shop sells. It is never changed after it was parsed.
type Catalogue struct {
	Currency   string       `json:"currency"`
	Stores     []*Store     `json:"stores"`
	Promotions []*Promotion `json:"promotions"`

	stores map[string]*Store
	items  map[int]*Item
	promos map[string]*Promotion
}

// ParseCatalogue reads catalogue.json and refuses one in which an id, slug or code is used twice.
func ParseCatalogue(text []byte) (*Catalogue, error) {
	c := &Catalogue{stores: map[string]*Store{}, items: map[int]*Item{}, promos: map[string]*Promotion{}}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("parse catalogue: %w", err)
	}
	for _, p := range c.Promotions {
		if p == nil || c.promos[p.Code] != nil || p.Percent < 0 || p.Percent > 100 {
			return nil, fmt.Errorf("parse catalogue: promotion %+v is empty, used twice or out of range", p)
		}
		c.promos[p.Code] = p
	}
	for _, s := range c.Stores {
		if err := c.index(s); err != nil {
			return nil, fmt.Errorf("parse catalogue: %w", err)
		}
	}
	return c, nil
}

func (c *Catalogue) index(s *Store) error {
	if s == nil || s.Slug == "" || c.stores[s.Slug] != nil {
		return fmt.Errorf("a store has no slug, or one that is used twice: %+v", s)
	}
	c.stores[s.Slug] = s
	for _, section := range s.Sections {
		if section == nil {
			return fmt.Errorf("store %s has an empty section", s.Slug)
		}
		for _, item := range section.Items {
			if item == nil || item.ID <= 0 || item.Price < 0 || c.items[item.ID] != nil {
				return fmt.Errorf("store %s has an item without a price, or an id that is used twice: %+v", s.Slug, item)
			}
			item.Store = s
			c.items[item.ID] = item
		}
	}
	return nil
}

// Store finds a store by its slug; nil if there is none.
func (c *Catalogue) Store(slug string) *Store { return c.stores[slug] }

// Item finds a dish by its id; nil if there is none.
func (c *Catalogue) Item(id int) *Item { return c.items[id] }

// Promotion finds a promotion by its code; nil if there is none.
func (c *Catalogue) Promotion(code string) *Promotion { return c.promos[code] }
