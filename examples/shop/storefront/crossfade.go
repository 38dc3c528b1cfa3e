package main

import (
	"context"
	"log/slog"
	"net/http"

	"crossfade.dev/crossfade/examples/shop/storefront/web"
	"crossfade.dev/crossfade/internal/fault"
)

func connectCrossfade(context.Context, string, string, *slog.Logger) (web.Sessions, func(http.Handler) http.Handler, error) {
	return nil, nil, fault.New(fault.Precondition, "no client library")
}
