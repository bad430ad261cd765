package api

import (
	"net/http"
	"strconv"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

// Published is the response to an event that was published to a tenant. The event is on disk.
type Published struct {
	EventID    event.ID `json:"event_id" format:"uuid" doc:"Endpoints get it as webhook-id."`
	Tenant     string   `json:"tenant"`
	Deliveries int      `json:"deliveries" doc:"How many deliveries were made: one for each subscription that matches. It may be 0."`
	Refused    int      `json:"refused" doc:"How many of them failed at once, because too many deliveries of their subscription are pending (HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION)."`
	Duplicate  bool     `json:"duplicate" doc:"Whether the idempotency key was used before with the same event: the response is that of the first time, and nothing new was stored."`
}

// publish is a hot path: it writes the response without an encoder.
func (a *api) publish(w http.ResponseWriter, r *http.Request, c call) error {
	key, err := idempotencyKey(r.Header["Idempotency-Key"])
	if err != nil {
		return err
	}
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	pub, err := a.readPublication(body.bytes)
	if err != nil {
		return err
	}
	if pub.IdempotencyKey, err = oneKey(key, pub.IdempotencyKey); err != nil {
		return err
	}
	done, err := c.view.Publish(r.Context(), pub)
	if err != nil {
		return err
	}
	writePublished(w, done)
	faultpoint.Reach("api: responding")
	return nil
}

func (a *api) readPublication(body []byte) (event.Publication, error) {
	p, err := a.newPublishReader(body, maxFieldProblems)
	if err != nil {
		return event.Publication{}, err
	}
	defer p.free()
	return p.single()
}

// oneKey returns the idempotency key that is in the header, in the body, or in both.
func oneKey(header, body string) (string, error) {
	switch {
	case header == "":
		return body, nil
	case body != "" && body != header:
		return "", event.Invalid("idempotency_key", "differs from the header Idempotency-Key; send one of them")
	}
	return header, nil
}

func writePublished(w http.ResponseWriter, done event.Published) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if done.Duplicate {
		h.Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(http.StatusAccepted)
	w.Write(append(appendPublished(make([]byte, 0, 192), done), '\n'))
}

// appendPublished appends the JSON of a Published. The id of a tenant has no character that JSON
// escapes.
func appendPublished(b []byte, done event.Published) []byte {
	b = append(b, `{"event_id":"`...)
	b, _ = done.Event.AppendText(b)
	b = append(b, `","tenant":"`...)
	b = append(b, done.Tenant...)
	b = append(b, `","deliveries":`...)
	b = strconv.AppendInt(b, int64(done.Deliveries), 10)
	b = append(b, `,"refused":`...)
	b = strconv.AppendInt(b, int64(done.Refused), 10)
	b = append(b, `,"duplicate":`...)
	b = strconv.AppendBool(b, done.Duplicate)
	return append(b, '}')
}
