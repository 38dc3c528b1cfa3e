package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
)

// page runs one request of a visitor through a handler, against a Crossfade in memory.
func page(visitor func(*clienttest.Crossfade) *clienttest.Visitor, h func(context.Context, *client.Session)) {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	service := fake.Client.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h(r.Context(), client.SessionFromContext(r.Context()))
	}))
	visitor(fake).Do(service, http.MethodGet, "/", "")
}

func guest(fake *clienttest.Crossfade) *clienttest.Visitor    { return fake.Guest() }
func customer(fake *clienttest.Crossfade) *clienttest.Visitor { return fake.Customer("42") }

func ExampleNew() {
	_, err := client.New(client.Config{API: "http://crossfade:8081", Name: "storefront"})
	fmt.Println(err)
	// Output: crossfade client: Secret is missing; it is the secret of API client "storefront" in Crossfade's configuration
}

// Requests that did not come through the edge are refused, whatever else they say.
func ExampleClient_Middleware() {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	service := fake.Client.Middleware(http.NotFoundHandler())
	mux := http.NewServeMux()
	mux.Handle("/", service)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // asked by whoever watches the service, not by visitors

	fmt.Println(fake.Guest().Do(mux, http.MethodGet, "/", "").Code)
	fmt.Println(fake.Outsider().Do(mux, http.MethodGet, "/", "").Code)
	fmt.Println(fake.Outsider().Do(mux, http.MethodGet, "/healthz", "").Code)
	// Output:
	// 404
	// 403
	// 200
}

func ExampleSessionFromContext() {
	page(customer, func(ctx context.Context, _ *client.Session) {
		session := client.SessionFromContext(ctx)
		fmt.Println(session.Authenticated(), session.Subject(), session.Methods())
	})
	fmt.Println(client.SessionFromContext(context.Background()).Exists())
	// Output:
	// true 42 [pwd]
	// false
}

func ExampleClient_RequireAuthenticated() {
	fake, err := clienttest.Start(func(c *client.Config) { c.LoginURL = "/login" })
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	orders := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "your orders") })
	service := fake.Client.Middleware(fake.Client.RequireAuthenticated(orders))

	fmt.Println(fake.Customer("42").Do(service, http.MethodGet, "/orders", "").Body)
	fmt.Println(fake.Guest().Do(service, http.MethodGet, "/orders", "").Body)
	// Output:
	// your orders
	// {"error":"login_required"}
}

// Several keys change together, or none, and only if nobody else has changed the one that was looked at.
func ExampleSession_Patch() {
	page(guest, func(ctx context.Context, session *client.Session) {
		var coupon string
		if _, err := session.Get(ctx, "coupon", &coupon); err != nil {
			log.Fatal(err)
		}
		err := session.Patch(ctx, client.Change{
			Set:       map[string]any{"coupon": "TEN", "total": 90},
			Delete:    []string{"hint"},
			Unchanged: []string{"coupon"},
		})
		fmt.Println(err)
		_, err = session.Get(ctx, "coupon", &coupon)
		fmt.Println(coupon, err)
	})
	// Output:
	// <nil>
	// TEN <nil>
}

func ExampleUpdate() {
	page(guest, func(ctx context.Context, session *client.Session) {
		for range 2 {
			err := client.Update(ctx, session, "visits", func(n int) (int, error) { return n + 1, nil })
			if err != nil {
				log.Fatal(err)
			}
		}
		var visits int
		_, err := session.Get(ctx, "visits", &visits)
		fmt.Println(visits, err)
	})
	// Output: 2 <nil>
}

func ExampleSession_Fresh() {
	page(customer, func(_ context.Context, session *client.Session) {
		fmt.Println(session.Fresh(10 * time.Minute))
	})
	page(guest, func(_ context.Context, session *client.Session) {
		fmt.Println(session.Fresh(10 * time.Minute))
	})
	// Output:
	// true
	// false
}

func ExampleSession_Rotate() {
	page(customer, func(ctx context.Context, session *client.Session) {
		fmt.Println(session.Rotate(ctx))
	})
	page(guest, func(ctx context.Context, session *client.Session) {
		fmt.Println(errors.Is(session.Rotate(ctx), client.ErrNotLive)) // a guest who wrote nothing has no secret to replace
	})
	// Output:
	// <nil>
	// true
}
