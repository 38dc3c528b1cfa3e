package clienttest_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
)

// In a test, clienttest.New(t) is all; it ends with the test.
func Example() {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	cart := fake.Client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := client.SessionFromContext(r.Context()).Set(r.Context(), "cart", []string{"milk"})
		if errors.Is(err, client.ErrUnavailable) {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}))

	visitor := fake.Guest()
	fmt.Println(visitor.Do(cart, http.MethodPost, "/cart", "").Code, visitor.Value("cart"))

	fake.Down(true) // what the page does while the session API is away
	fmt.Println(visitor.Do(cart, http.MethodPost, "/cart", "").Code)
	// Output:
	// 200 ["milk"]
	// 503
}

// Sessions that end elsewhere, as by an operator, refuse what is written to them from then on.
func ExampleVisitor_EndElsewhere() {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	h := fake.Client.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(errors.Is(client.SessionFromContext(r.Context()).Set(r.Context(), "a", 1), client.ErrNotLive))
	}))
	customer := fake.Customer("42")
	customer.EndElsewhere("stolen")
	customer.Do(h, http.MethodPost, "/", "")
	fmt.Println(customer.Ended())
	// Output:
	// true
	// stolen
}
