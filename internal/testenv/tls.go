package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TLS is a certificate that was made for one test, as files for a server and as a pool for a client.
type TLS struct {
	CertFile, KeyFile string // PEM, in the test's temporary folder
	Certificate       tls.Certificate
	Pool              *x509.CertPool // trusts this certificate alone
}

// SelfSigned makes a certificate for localhost, its subdomains, 127.0.0.1 and ::1, valid for a day around
// now. A browser takes it with certificate errors ignored, as [Browser] does.
func SelfSigned(t testing.TB) TLS {
	t.Helper()
	certPEM, keyPEM := selfSignedPEM(t)
	dir := t.TempDir()
	out := TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Pool: x509.NewCertPool()}
	must(t, os.WriteFile(out.CertFile, certPEM, 0o644))
	must(t, os.WriteFile(out.KeyFile, keyPEM, 0o600))
	var err error
	out.Certificate, err = tls.X509KeyPair(certPEM, keyPEM)
	must(t, err)
	out.Pool.AppendCertsFromPEM(certPEM)
	return out
}

func selfSignedPEM(t testing.TB) (cert, private []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "localhost"},
		NotBefore:             now.Add(-12 * time.Hour),
		NotAfter:              now.Add(12 * time.Hour),
		DNSNames:              []string{"localhost", "*.localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true, // so that a pool can trust it directly
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// Client is an HTTP client that trusts this certificate and follows no redirect, since tests look at them.
func (c TLS) Client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Pool}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
}
