package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// TargetCA is the certificate authorities that are trusted besides the system's when
// targets are called. It is empty if there are none.
type TargetCA struct {
	Path  string
	Certs []*x509.Certificate
}

func targetCAOf(field *TargetCA) value { return bind(field, parseTargetCA, TargetCA.String) }

// parseTargetCA reads the file, so that a bad one stops the start and not each attempt.
func parseTargetCA(path string) (TargetCA, error) {
	if path == "" {
		return TargetCA{}, nil
	}
	if strings.Contains(path, "-----BEGIN") {
		return TargetCA{}, errors.New("is a certificate itself: write it into a file, and give the path of that")
	}
	if _, err := parsePath(path); err != nil {
		return TargetCA{}, err
	}
	text, err := readFile(path)
	if err != nil {
		return TargetCA{}, fmt.Errorf("names a file that can't be read: %w", err)
	}
	certs, err := parseCertificates([]byte(text))
	return TargetCA{Path: path, Certs: certs}, err
}

// parseCertificates takes a PEM file of certificates and nothing else, with any text
// between them.
func parseCertificates(text []byte) (certs []*x509.Certificate, err error) {
	rest := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && len(certs) > 0:
			return certs, nil
		case block == nil:
			return nil, notPEM(text)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New("names a file that holds a private key, which does not belong there: leave the certificates alone in it, and keep the key secret")
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("names a file that holds a block of the type %q, which is no certificate: leave it out", event.Clip(block.Type, event.MaxQuoted))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("names a file whose certificate number %d can't be read: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
}

// notPEM says what a file without any block of PEM is instead.
func notPEM(text []byte) error {
	if _, err := x509.ParseCertificates(text); err == nil && len(text) > 0 {
		return errors.New("names a file that holds a certificate as DER: write it as PEM, with `openssl x509 -inform der -in FILE -out FILE.pem`")
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return errors.New("names a file whose PEM is damaged: copy it again in full, from the line of BEGIN to that of END")
	}
	return errors.New("names a file that holds no certificate: it needs a block of PEM, which begins with -----BEGIN CERTIFICATE-----")
}

// String is the path, and how many certificates are in the file.
func (ca TargetCA) String() string {
	switch len(ca.Certs) {
	case 0:
		return ""
	case 1:
		return ca.Path + " (1 certificate)"
	}
	return fmt.Sprintf("%s (%d certificates)", ca.Path, len(ca.Certs))
}

// Warnings are about certificates by which nothing can be trusted at present.
func (ca TargetCA) Warnings(now time.Time) (warnings []string) {
	for _, cert := range ca.Certs {
		name := event.Clip(cert.Subject.String(), 100)
		switch {
		case now.After(cert.NotAfter):
			warnings = append(warnings, fmt.Sprintf("the certificate of %s in HOOKFERRY_TARGET_CA expired on %s: nothing is trusted by it", name, cert.NotAfter.UTC().Format(time.DateOnly)))
		case now.Before(cert.NotBefore):
			warnings = append(warnings, fmt.Sprintf("the certificate of %s in HOOKFERRY_TARGET_CA is not valid before %s: nothing is trusted by it until then", name, cert.NotBefore.UTC().Format(time.DateOnly)))
		}
	}
	return warnings
}

// Pool is the system's authorities and these; nil, which means the system's alone, if
// there are none.
func (ca TargetCA) Pool() (*x509.CertPool, error) {
	if len(ca.Certs) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("HOOKFERRY_TARGET_CA: read the system's certificate authorities, to add to them: %w", err)
	}
	for _, cert := range ca.Certs {
		pool.AddCert(cert)
	}
	return pool, nil
}
