package client_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
)

// A storefront greets its visitors and counts what they put into the cart.
func Example() {
	// In production:
	//
	//	crossfade, err := client.New(client.Config{
	//		API:    "http://crossfade:8081",
	//		Name:   "storefront",
	//		Secret: os.Getenv("CROSSFADE_SECRET"),
	//	})
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	crossfade := fake.Client

	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart", func(w http.ResponseWriter, r *http.Request) {
		session := client.SessionFromContext(r.Context())
		err := client.Update(r.Context(), session, "cart", func(items int) (int, error) { return items + 1, nil })
		if err != nil {
			http.Error(w, "please try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		session := client.SessionFromContext(r.Context())
		var items int
		if _, err := session.Get(r.Context(), "cart", &items); err != nil {
			log.Print(err) // show the page without the cart
		}
		fmt.Fprintf(w, "subject %q, %d items", session.Subject(), items)
	})
	service := crossfade.Middleware(mux)

	visitor := fake.Guest()
	visitor.Do(service, http.MethodPost, "/cart", "")
	visitor.Do(service, http.MethodPost, "/cart", "")
	fmt.Println(visitor.Do(service, http.MethodGet, "/", "").Body)
	visitor.LogIn("42")
	fmt.Println(visitor.Do(service, http.MethodGet, "/", "").Body)
	// Output:
	// subject "", 2 items
	// subject "42", 2 items
}

func ExampleClient_RequireFresh() {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	crossfade := fake.Client

	change := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "changed") })
	service := crossfade.Middleware(crossfade.RequireFresh(10 * time.Minute)(change))

	customer := fake.Customer("42")
	fmt.Println(customer.Do(service, http.MethodPost, "/email", "").Body)
	customer.LoggedInAt(time.Now().Add(-time.Hour))
	fmt.Println(customer.Do(service, http.MethodPost, "/email", "").Code)
	// Output:
	// changed
	// 401
}

func ExampleSession_End() {
	fake, err := clienttest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()
	logout := fake.Client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := client.SessionFromContext(r.Context()).End(r.Context(), "logout"); err != nil {
			http.Error(w, "you are still logged in; please try again", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}))

	customer := fake.Customer("42")
	response := customer.Do(logout, http.MethodPost, "/logout", "")
	fmt.Println(response.Code, response.Result().Header.Get("Crossfade-Session-End"))
	// Output: 303 logout
}
