package web

import (
	"encoding/json"
	"net/http"

	"crossfade.dev/crossfade/examples/shop"
)

const system = "new"

type meAnswer struct {
	System        string  `json:"system"`
	Authenticated bool    `json:"authenticated"`
	Subject       *string `json:"subject"`
	User          *string `json:"user"`
	Name          *string `json:"name"`
	CartCount     int     `json:"cart_count"`
}

func (s *Server) apiMe(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	answer := meAnswer{System: system, CartCount: v.cart().Count()}
	if c, known := v.customer(); known {
		answer.Authenticated, answer.Subject, answer.User, answer.Name = true, &c.ID, &c.Username, &c.Name
	}
	writeJSON(w, http.StatusOK, answer)
}

type cartAnswer struct {
	System   string     `json:"system"`
	Currency string     `json:"currency"`
	Count    int        `json:"count"`
	Items    []cartLine `json:"items"`
	Promo    *string    `json:"promo"`
	Subtotal shop.Cents `json:"subtotal_cents"`
	Discount shop.Cents `json:"discount_cents"`
	Delivery shop.Cents `json:"delivery_cents"`
	Total    shop.Cents `json:"total_cents"`
}

type cartLine struct {
	ID       int        `json:"id"`
	Store    string     `json:"store"`
	Name     string     `json:"name"`
	Quantity int        `json:"quantity"`
	Price    shop.Cents `json:"price_cents"`
	Total    shop.Cents `json:"total_cents"`
}

func (s *Server) apiCart(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.failJSON(w, r, err)
		return
	}
	contents := v.cart()
	bill := contents.Bill(s.catalogue, v.promo())
	answer := cartAnswer{
		System: system, Currency: s.catalogue.Currency, Count: contents.Count(), Items: []cartLine{},
		Subtotal: bill.Subtotal, Discount: bill.Discount, Delivery: bill.Delivery, Total: bill.Total,
	}
	for _, line := range bill.Lines() {
		answer.Items = append(answer.Items, cartLine{
			ID: line.Item.ID, Store: line.Item.Store.Slug, Name: line.Item.Name,
			Quantity: line.Quantity, Price: line.Item.Price, Total: line.Total(),
		})
	}
	if bill.Promotion != nil {
		answer.Promo = &bill.Promotion.Code
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}
