package config

// Cookies is how Crossfade's own cookies are written. Their names are fixed (ARCHITECTURE.md, "Cookies");
// they carry the __Host- prefix and Secure whenever browsers reach the site by https.
type Cookies struct {
	// SameSite of the session cookies: lax, strict or none. Default: as the legacy cookie has it, since
	// another value would log visitors out, or in, who come from other sites.
	SameSite string `yaml:"same_site"`
	// Keep the cookies apart for each site that embeds this one. Needs same_site none. Default false.
	Partitioned bool `yaml:"partitioned"`
}

func (c *Cookies) validate(k *check) {
	k.oneOf("cookies.same_site", c.SameSite, "lax", "strict", "none")
	same := c.SameSite
	if same == "" {
		same = k.config.Legacy.Cookie.SameSite
		c.SameSite = same
	}
	if c.Partitioned && same != "none" {
		k.fail("cookies.partitioned", "add same_site: none, or drop partitioned", "means nothing while same_site is %s", same)
	}
	if same == "none" && !k.config.Public.Secure() {
		k.fail("cookies.same_site", "use lax while developing on localhost", "browsers drop a SameSite=None cookie that is not Secure")
	}
}
