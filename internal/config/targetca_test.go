package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate returns a self-signed certificate as DER.
func certificate(t *testing.T, name string, from, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestTargetCA(t *testing.T) {
	now := time.Now()
	der := certificate(t, "Own Authority", now.Add(-time.Hour), now.Add(time.Hour))
	good := block("CERTIFICATE", der)
	dir := t.TempDir()
	tests := []struct {
		reason, text string
		certs        int
		fault        string
	}{
		{"one", good, 1, ""},
		{"two, with text around them", "# ours\n" + good + "\nthe old one:\n" + good + "end\n", 2, ""},
		{"CRLF line ends", strings.ReplaceAll(good, "\n", "\r\n"), 1, ""},
		{"a byte order mark", "\xef\xbb\xbf" + good, 1, ""},
		{"empty", "", 0, "without a certificate: it needs a PEM block"},
		{"something else", "hello\n", 0, "without a certificate: it needs a PEM block"},
		{"DER", string(der), 0, "contains a certificate in DER form: convert it to PEM with `openssl x509 -inform der"},
		{"cut", good[:len(good)/2], 0, "whose PEM is damaged"},
		{"a private key", block("EC PRIVATE KEY", der), 0, "contains a private key"},
		{"a private key after a certificate", good + block("PRIVATE KEY", der), 0, "contains a private key"},
		{"a private key with a password", block("ENCRYPTED PRIVATE KEY", der), 0, "contains a private key"},
		{"a request", block("CERTIFICATE REQUEST", der), 0, `contains a block of the type "CERTIFICATE REQUEST"`},
		{"a public key", block("PUBLIC KEY", der), 0, `contains a block of the type "PUBLIC KEY"`},
		{"bytes that are not a certificate", good + block("CERTIFICATE", der[:100]), 0, "certificate number 2 can't be read"},
		{"too large", good + strings.Repeat("x", maxFile), 0, "larger than 1MiB"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load([]string{"HOOKFERRY_TARGET_CA=" + path}, "", Overrides{})
		switch {
		case tt.fault == "" && (err != nil || len(c.TargetCA.Certs) != tt.certs):
			t.Errorf("%s: %d certificates, %v", tt.reason, len(c.TargetCA.Certs), err)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: got %v, want the file and %q", tt.reason, err, tt.fault)
		}
	}
	for path, fault := range map[string]string{
		filepath.Join(dir, "nowhere.pem"): "can't be read: no such file",
		dir:                               "can't be read: is a directory",
		"~/ca.pem":                        "begins with ~",
		good:                              "is a certificate: save it",
	} {
		if _, err := Load([]string{"HOOKFERRY_TARGET_CA=" + path}, "", Overrides{}); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%.40s: got %v, want %q", path, err, fault)
		}
	}
}

func TestTargetCAIsShownWithWarnings(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text := block("CERTIFICATE", certificate(t, "Good", now.Add(-time.Hour), now.Add(time.Hour))) +
		block("CERTIFICATE", certificate(t, "Old", now.Add(-48*time.Hour), now.Add(-24*time.Hour))) +
		block("CERTIFICATE", certificate(t, "New", now.Add(24*time.Hour), now.Add(48*time.Hour)))
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, []string{"HOOKFERRY_TARGET_CA=" + path}, Overrides{})
	if got, want := c.TargetCA.String(), path+" (3 certificates)"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
	warnings := strings.Join(c.TargetCA.Warnings(now), "\n")
	for _, want := range []string{"of CN=Old in HOOKFERRY_TARGET_CA expired on 2026-01-01", "of CN=New in HOOKFERRY_TARGET_CA is not valid before 2026-01-03"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q is not in %q", want, warnings)
		}
	}
	if strings.Contains(warnings, "Good") {
		t.Errorf("warns of a valid certificate: %q", warnings)
	}
	if pool, err := (TargetCA{}).Pool(); pool != nil || err != nil {
		t.Errorf("without certificates: %v, %v", pool, err)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range c.TargetCA.Certs {
		system.AddCert(cert)
	}
	if pool, err := c.TargetCA.Pool(); err != nil || !pool.Equal(system) {
		t.Errorf("the pool is not the system's and these: %v", err)
	}
}
