// Package webhook signs and verifies webhooks.
//
// It supports two ways of signing, both HMAC-SHA256 with a shared secret:
//
//   - Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): the headers
//     webhook-id, webhook-timestamp and webhook-signature. The signature
//     covers the id, the time and the body, so an old request can't be sent
//     again later. Only the symmetric version, v1, is supported.
//   - GitHub style: the header X-Hub-Signature-256. The signature covers only
//     the body, so it does not stop replays.
//
// # Where to start
//
// An endpoint creates one [Verifier] with [NewVerifier] and calls [Verifier.VerifyRequest] in its
// handler. A sender creates one [Signer] with [NewSigner] and calls [Signer.SignHeader] for every
// attempt. [NewSecret] creates a secret for both.
//
// # Secrets
//
// A secret is text. It becomes a key like this:
//
//   - Standard Webhooks: if a secret starts with whsec_, the rest is base64,
//     and the decoded bytes are the key. The base64 uses the standard alphabet
//     (A-Z a-z 0-9 + /), with or without = padding. The UTF-8 bytes of any
//     other secret are the key.
//   - X-Hub-Signature-256: the text of the secret is the key, including a
//     whsec_ prefix. GitHub does not decode secrets, so endpoints written for
//     it don't either.
//
// An empty secret is always an error. The standard asks for 24 to 64 random bytes. This package
// does not enforce that, because an endpoint often can't choose its sender's secret. Prefer whsec_
// secrets: they give the two ways of signing different keys, so a signature of one way is never
// valid for the other.
//
// To change a secret without losing a request, give both sides the new and the old secret, newest
// first. A Signer then writes one Standard Webhooks signature for each secret, and a Verifier
// accepts a match with any of them. X-Hub-Signature-256 can contain only one value, which is for
// the newest secret, so endpoints that use it must know the new secret before the sender does.
//
// # What it does not do
//
// It does not send requests, does not support asymmetric signatures (v1a), and does not remember
// the ids it has seen. A sender repeats an id when it retries, so an endpoint that must not act
// twice has to remember [HeaderID] itself, for at least as long as the sender retries.
package webhook
