package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// maker makes events like those of a small shop.
type maker struct {
	rng *rand.Rand
	now time.Time
	n   int
}

// event makes an event that the endpoint's subscription wants.
func (m *maker) event(e endpoint) (eventType string, data json.RawMessage) {
	m.n++
	eventType, value := e.make(m)
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // a value in this file can't be encoded: the first test finds it
	}
	return eventType, data
}

func pick[T any](m *maker, from ...T) T { return from[m.rng.IntN(len(from))] }

func (m *maker) id(prefix string) string {
	return fmt.Sprintf("%s_%d%04d", prefix, 1000+m.n, m.rng.IntN(10_000))
}

func (m *maker) price() string { return fmt.Sprintf("%d.%02d", 3+m.rng.IntN(120), m.rng.IntN(100)) }

type person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Since string `json:"since"`
}

func (m *maker) person() person {
	first := pick(m, "Ada", "José", "Mei", "Łukasz", "Zoë", "Noor", "Anna", "Tomáš", "Yuki", "Priya", "Björn", "愛子")
	last := pick(m, "Silva", "Nowak", "O'Brien", "Tanaka", "Müller", "Haddad", "Okafor", "Lindqvist", "<Smith & Sons>")
	id := m.id("usr")
	return person{
		ID: id, Name: first + " " + last, Email: id + "@example.com",
		Since: m.now.AddDate(0, 0, -m.rng.IntN(2000)).Format(time.DateOnly),
	}
}

type item struct {
	SKU      string `json:"sku"`
	Title    string `json:"title"`
	Quantity int    `json:"quantity"`
	Price    string `json:"price"`
}

func (m *maker) items() []item {
	items := make([]item, 1+m.rng.IntN(3))
	for i := range items {
		title := pick(m, "Green tea, 100 g", "Teapot “Kyūsu”", "Oolong", "Strainer", "Two cups", "Gift box 🎁")
		sku := strings.ToUpper(fmt.Sprintf("TEA-%03x", m.rng.IntN(4096)))
		items[i] = item{SKU: sku, Title: title, Quantity: 1 + m.rng.IntN(4), Price: m.price()}
	}
	return items
}

func makeOrder(m *maker) (string, any) {
	return pick(m, "order.created", "order.paid", "order.cancelled", "order.refund.requested"), struct {
		ID       string    `json:"id"`
		Customer person    `json:"customer"`
		Items    []item    `json:"items"`
		Total    string    `json:"total"`
		Currency string    `json:"currency"`
		PlacedAt time.Time `json:"placed_at"`
		Note     *string   `json:"note"`
	}{m.id("ord"), m.person(), m.items(), m.price(), pick(m, "EUR", "USD", "JPY", "PLN"), m.now, nil}
}

func makeUser(m *maker) (string, any) {
	return pick(m, "user.created", "user.updated", "user.email.changed", "user.deleted"), m.person()
}

func makeInvoice(m *maker) (string, any) {
	return pick(m, "invoice.created", "invoice.paid", "invoice.overdue"), struct {
		ID    string `json:"id"`
		Order string `json:"order"`
		Total string `json:"total"`
		Due   string `json:"due"`
		Lines []item `json:"lines"`
	}{m.id("inv"), m.id("ord"), m.price(), m.now.AddDate(0, 0, 14).Format(time.DateOnly), m.items()}
}

func makeShipment(m *maker) (string, any) {
	return pick(m, "shipment.requested", "shipment.cancelled", "stock.reserved", "stock.low"), struct {
		ID     string  `json:"id"`
		Order  string  `json:"order"`
		Weight float64 `json:"weight_kg"`
		Items  []item  `json:"items"`
	}{m.id("shp"), m.id("ord"), float64(m.rng.IntN(9000)) / 1000, m.items()}
}

func makePageView(m *maker) (string, any) {
	return "page.viewed", struct {
		Page    string `json:"page"`
		Visitor string `json:"visitor"`
		Millis  int    `json:"ms"`
	}{pick(m, "/", "/tea", "/cart", "/checkout"), m.id("vis"), m.rng.IntN(5000)}
}
