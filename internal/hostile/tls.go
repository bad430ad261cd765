package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificate creates a self-signed certificate for this machine, which change can modify. A
// verifier checks the dates and the host before the signature.
func certificate(change func(*x509.Certificate)) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hostile endpoint"},
		NotBefore: date(2020), NotAfter: date(2099),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("create a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("create a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the certificate back: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func configOf(change func(*x509.Certificate)) (*tls.Config, error) {
	cert, err := certificate(change)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10}, nil
}

func withDates(from, to time.Time) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		return configOf(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to })
	}
}

func withHost(name string) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		return configOf(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{name}, nil })
	}
}

func withProtocol(name string) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		config, err := configOf(func(*x509.Certificate) {})
		if err == nil {
			config.NextProtos = []string{name}
		}
		return config, err
	}
}

func withVersion(most uint16) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		config, err := configOf(func(*x509.Certificate) {})
		if err == nil {
			config.MaxVersion = most
		}
		return config, err
	}
}
