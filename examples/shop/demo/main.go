// Demo starts the example shop behind Crossfade, prints where it is and what to try, and runs until it
// is interrupted. "make demo" calls it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"crossfade.dev/crossfade/examples/shop/stack"
)

func main() {
	port := flag.Int("port", 8080, "public port of the shop")
	dir := flag.String("dir", "", "keep the data in this folder (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *port, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, port int, dir string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	s, err := stack.Start(ctx, stack.Options{
		Root: root, Python: cmp.Or(os.Getenv("CROSSFADE_PYTHON"), filepath.Join(root, ".build/venv/bin/python")),
		Dir: dir, PublicPort: port,
		Progress: func(line string) { fmt.Println("·", line) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Printf(guide, s.URL, s.URL+"/admin/", s.Dir, s.CLI, s.InternalURL)
	<-ctx.Done()
	fmt.Println("\n· stopping")
	return nil
}

const guide = `
  The shop is open:  %s
  Customers          customer1 … customer20, password bramble-pie
  Staff              staff, password bramble-pie, at %s
  Data and logs      %s

  Everybody is on the monolith now; the footer of each page says who served it. Fill a cart, log in,
  and then, in another terminal:

    cd %[3]s
    export CROSSFADE_SERVER=%[5]s
    %[4]s rollout start sessions --reason "first look"
    %[4]s rollout ramp sessions --to 100 --reason "everybody"

  Reload: the storefront serves you, with your cart, still logged in. And back:

    %[4]s kill sessions --reason "rehearsal"
    %[4]s kill lift sessions --reason "it works"

  Stop with Ctrl-C.
`
