package config

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"

	"crossfade.dev/crossfade/internal/fault"
)

// Redis says how sessions are kept in Redis 7 or later, or in Valkey: one server, a primary with Sentinels, or a
// cluster. What its servers must be set to is in docs/stores-redis.md.
type Redis struct {
	// host:port of the server; of some nodes of the cluster, which tell of the others; or of the Sentinels, with
	// sentinel.primary. A cluster is recognised by itself. No default.
	Addresses []string `yaml:"addresses"`
	// The user of the servers (ACL). Default: the user called default.
	Username string `yaml:"username"`
	// Where the password is read. None is sent if it is left out.
	Password Address `yaml:"password"`
	// What every key begins with: two deployments on one database need two. 1 to 32 letters, digits and dashes.
	// Default cf.
	Prefix string `yaml:"prefix"`
	// TLS to the servers, and to the Sentinels.
	TLS RedisTLS `yaml:"tls"`
	// For a primary that Sentinels watch over.
	Sentinel RedisSentinel `yaml:"sentinel"`
	// Which writes wait until replicas have them.
	Wait RedisWait `yaml:"wait"`
}

// RedisTLS is TLS as a client has it.
type RedisTLS struct {
	// Whether connections are encrypted. Default false.
	Enabled bool `yaml:"enabled"`
	// File with the certificates, PEM, of who vouches for the servers. Default: those of the system.
	CA string `yaml:"ca"`
	// File with a certificate of our own, PEM, for servers that ask for one.
	Certificate string `yaml:"certificate"`
	// File with its key.
	Key string `yaml:"key"`
	// The name that the servers' certificates must bear. Default: the host of the address that is dialled.
	ServerName string `yaml:"server_name"`
}

// RedisSentinel is about the Sentinels at addresses.
type RedisSentinel struct {
	// What the Sentinels call the primary ("sentinel monitor <name> …"). With it, addresses are theirs. Default:
	// there are no Sentinels.
	Primary string `yaml:"primary"`
	// The user of the Sentinels, if they have users of their own.
	Username string `yaml:"username"`
	// Where the password of the Sentinels is read.
	Password Address `yaml:"password"`
}

// RedisWait makes writes wait for replicas. Without it a write is answered when the primary has it, and a
// primary that dies at once can take the writes of its last moments with it.
type RedisWait struct {
	// For ends of sessions, alone, of a subject, or of everybody.
	Ends RedisCopies `yaml:"ends"`
	// For all other writes. Each then takes a connection for the time of its wait.
	Writes RedisCopies `yaml:"writes"`
}

// RedisCopies is how many copies of a write there must be.
type RedisCopies struct {
	// How many replicas must have it. Default 0.
	Replicas int `yaml:"replicas"`
	// Whether it must be on the disk of the primary and of so many replicas, and not only in their memory (WAITAOF;
	// Redis 7.2 or Valkey, with appendonly yes). Default false.
	Disk bool `yaml:"disk"`
	// How long that may take. A write without its copies by then fails, though the primary has it; to repeat it is
	// safe. Default 1s.
	Within Duration `yaml:"within"`
}

func (r *Redis) defaults() {
	r.Prefix = "cf"
	r.Wait.Ends.Within, r.Wait.Writes.Within = seconds(1), seconds(1)
}

// given reports whether anybody has written this section.
func (r *Redis) given() bool {
	return len(r.Addresses) > 0 || !r.Password.none() || r.Sentinel.Primary != ""
}

func (r *Redis) validate(k *check, path string) {
	if len(r.Addresses) == 0 {
		k.fail(join(path, "addresses"), "write addresses: [127.0.0.1:6379]", "are missing")
	}
	for i, a := range r.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			k.fail(item(join(path, "addresses"), i), "write host:port, like 127.0.0.1:6379", "%q is not an address", a)
		}
	}
	if !plainPrefix(r.Prefix) {
		k.fail(join(path, "prefix"), "use 1 to 32 letters, digits and dashes", "%q cannot begin a key", r.Prefix)
	}
	if (r.TLS.Certificate == "") != (r.TLS.Key == "") {
		k.fail(join(path, "tls"), "give both certificate and key, or leave both out", "has only one half")
	}
	if !r.TLS.Enabled && r.TLS != (RedisTLS{}) {
		k.fail(join(path, "tls"), "write enabled: true", "has settings, but is not enabled")
	}
	r.Password.validate(k, join(path, "password"))
	r.Sentinel.Password.validate(k, join(path, "sentinel.password"))
	for name, c := range map[string]RedisCopies{"ends": r.Wait.Ends, "writes": r.Wait.Writes} {
		k.between(join(path, "wait."+name+".replicas"), c.Replicas, 0, 16)
		k.within(join(path, "wait."+name+".within"), c.Within, seconds(1)/100, seconds(30))
	}
}

func plainPrefix(s string) bool {
	if len(s) < 1 || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// secretFiles are files that only this user should read; plainFiles others.
func (r *Redis) secretFiles() []*string {
	return []*string{&r.Password.File, &r.Sentinel.Password.File, &r.TLS.Key}
}

func (r *Redis) plainFiles() []*string { return []*string{&r.TLS.CA, &r.TLS.Certificate} }

// Client reads the files of the section; nil: no TLS.
func (t RedisTLS) Client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "cannot read session.store.redis.tls.ca")
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "session.store.redis.tls.ca holds no certificate").WithHint("it is a PEM file")
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "cannot read the certificate of session.store.redis.tls")
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
