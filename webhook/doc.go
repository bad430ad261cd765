// Package webhook signs and verifies webhooks.
//
// It knows two ways of signing, both HMAC-SHA256 with a shared secret:
//
//   - Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): the headers
//     webhook-id, webhook-timestamp and webhook-signature. The signature
//     covers the id, the time and the body, so an old request cannot be sent
//     again later. Only the symmetric version, v1, is supported.
//   - GitHub style: the header X-Hub-Signature-256. The signature covers the
//     body alone, so it does not stop replays.
//
// # Where to start
//
// A receiver makes one [Verifier] with [NewVerifier] and calls
// [Verifier.VerifyRequest] in its handler. A sender makes one [Signer] with
// [NewSigner] and calls [Signer.SignHeader] for every attempt. [NewSecret]
// makes a secret for the two to share.
//
// # Secrets
//
// A secret is text, and it becomes a key like this:
//
//   - Standard Webhooks: a secret that starts with whsec_ is base64 after that
//     prefix, and the decoded bytes are the key. The base64 is the standard
//     alphabet (A-Z a-z 0-9 + /), with or without = padding. Any other secret
//     is used as its UTF-8 bytes.
//   - X-Hub-Signature-256: the secret's text as it stands is the key, whsec_
//     prefix included. GitHub does not decode secrets, so neither do the
//     receivers written for it.
//
// An empty secret is an error everywhere. The standard asks for 24 to 64
// random bytes; this package does not enforce that, since receivers often
// cannot choose their sender's secret. Prefer whsec_ secrets: they give the two
// ways of signing different keys, so a signature made for one never counts in
// the other.
//
// To change a secret without losing a request, give both sides the new and the
// old secret, newest first. A Signer then writes one Standard Webhooks
// signature for each secret, and a Verifier accepts a match with any of them.
// X-Hub-Signature-256 has room for one value and carries the newest only, so
// receivers that use it must learn the new secret before the sender does.
//
// # What it does not do
//
// It does not send requests, does not support asymmetric signatures (v1a), and
// does not remember the ids it has seen. A sender repeats an id when it retries,
// so a receiver that must not act twice has to remember [HeaderID] itself for at
// least as long as the sender retries.
package webhook
