// Package shop is what both halves of the example share: the catalogue of stores and the assets of its
// pages, compiled in.
//
// Invariant: item ids, prices, session keys and form fields mean the same in the monolith and in the
// storefront, because both read them from here. The storefront imports it; the monolith reads the same
// files from disk.
package shop

import (
	"embed"
	"io/fs"
)

//go:embed assets catalogue.json
var files embed.FS

// Assets holds shop.css, shop.js, icon.svg and sprite.svg.
func Assets() fs.FS {
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the name is a constant: it cannot be invalid
	}
	return assets
}

// LoadCatalogue reads the catalogue that is compiled in.
func LoadCatalogue() (*Catalogue, error) {
	text, err := files.ReadFile("catalogue.json")
	if err != nil {
		return nil, err
	}
	return ParseCatalogue(text)
}
