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

// TargetCA lists the certificate authorities that are trusted for targets, in addition to the
// system's. It may be empty.
type TargetCA struct {
	Path  string
	Certs []*x509.Certificate
}

func targetCAOf(field *TargetCA) value { return bind(field, parseTargetCA, TargetCA.String) }

// parseTargetCA reads the file, so that a bad file stops the start instead of failing each attempt.
func parseTargetCA(path string) (TargetCA, error) {
	if path == "" {
		return TargetCA{}, nil
	}
	if strings.Contains(path, "-----BEGIN") {
		return TargetCA{}, errors.New("is a certificate: save it to a file, and write the path of the file")
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

// parseCertificates parses a PEM file that contains only certificates, with any text between them.
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
			return nil, errors.New("names a file that contains a private key: keep only certificates in it, and keep the key secret")
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("names a file that contains a block of the type %q, which is not a certificate: remove it", event.Clip(block.Type, event.MaxQuoted))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("names a file whose certificate number %d can't be read: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
}

// notPEM says what is in a file that has no PEM block.
func notPEM(text []byte) error {
	if _, err := x509.ParseCertificates(text); err == nil && len(text) > 0 {
		return errors.New("names a file that contains a certificate in DER form: convert it to PEM with `openssl x509 -inform der -in FILE -out FILE.pem`")
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return errors.New("names a file whose PEM is damaged: copy it again, from the BEGIN line to the END line")
	}
	return errors.New("names a file without a certificate: it needs a PEM block, which begins with -----BEGIN CERTIFICATE-----")
}

// String returns the path, and the number of certificates in the file.
func (ca TargetCA) String() string {
	switch len(ca.Certs) {
	case 0:
		return ""
	case 1:
		return ca.Path + " (1 certificate)"
	}
	return fmt.Sprintf("%s (%d certificates)", ca.Path, len(ca.Certs))
}

// Warnings returns a sentence about each certificate that is not valid now.
func (ca TargetCA) Warnings(now time.Time) (warnings []string) {
	for _, cert := range ca.Certs {
		name := event.Clip(cert.Subject.String(), 100)
		switch {
		case now.After(cert.NotAfter):
			warnings = append(warnings, fmt.Sprintf("the certificate of %s in HOOKFERRY_TARGET_CA expired on %s, so it is not trusted", name, cert.NotAfter.UTC().Format(time.DateOnly)))
		case now.Before(cert.NotBefore):
			warnings = append(warnings, fmt.Sprintf("the certificate of %s in HOOKFERRY_TARGET_CA is not valid before %s, so it is not trusted until then", name, cert.NotBefore.UTC().Format(time.DateOnly)))
		}
	}
	return warnings
}

// Pool returns the system's authorities and these. It returns nil, which means the system's alone,
// if there are no others.
func (ca TargetCA) Pool() (*x509.CertPool, error) {
	if len(ca.Certs) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("HOOKFERRY_TARGET_CA: read the system's certificate authorities: %w", err)
	}
	for _, cert := range ca.Certs {
		pool.AddCert(cert)
	}
	return pool, nil
}
