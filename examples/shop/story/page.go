package main

import (
	"regexp"
	"strconv"
)

// page is what a visitor reads off a page of the shop.
type page struct {
	status int
	url    string
	system string // legacy or new: who rendered it
	user   string // whom it greets; empty for a guest
	cart   int    // how many dishes its header counts
	text   string
}

var (
	bodyTag = regexp.MustCompile(`<body[^>]*data-system="([a-z]+)"[^>]*data-user="([^"]*)"[^>]*data-cart="(\d+)"`)
	csrf    = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)
	attempt = regexp.MustCompile(`name="attempt" value="([^"]+)"`)
	item    = regexp.MustCompile(`name="item" value="(\d+)"`)
	store   = regexp.MustCompile(`href="(/stores/[a-z0-9-]+/)"`)
	order   = regexp.MustCompile(`data-order="([^"]+)"`)
)

// read fills in what the body tag says; ok is false for a page that is not the shop's.
func (p *page) read() (ok bool) {
	m := bodyTag.FindStringSubmatch(p.text)
	if m == nil {
		return false
	}
	p.system, p.user = m[1], m[2]
	p.cart, _ = strconv.Atoi(m[3]) // digits, by the pattern
	return true
}

func (p *page) field(re *regexp.Regexp) string {
	if m := re.FindStringSubmatch(p.text); m != nil {
		return m[1]
	}
	return ""
}

func (p *page) all(re *regexp.Regexp) []string {
	var out []string
	for _, m := range re.FindAllStringSubmatch(p.text, -1) {
		out = append(out, m[1])
	}
	return out
}
