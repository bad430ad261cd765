package event_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// other has values that differ from the zero value, by type. A setting of a new type needs a value
// here.
var other = map[reflect.Type]any{
	reflect.TypeFor[time.Duration]():     time.Second,
	reflect.TypeFor[event.RetryPolicy](): event.RetryPolicy{},
	reflect.TypeFor[int]():               1,
	reflect.TypeFor[float64]():           0.5,
	reflect.TypeFor[event.Body]():        event.BodyData,
	reflect.TypeFor[[]string]():          []string{"a"},
	reflect.TypeFor[json.RawMessage]():   json.RawMessage(`{}`),
	reflect.TypeFor[map[string]string](): map[string]string{"a": "b"},
}

// Requests are prepared once for each subscription, and again when its settings change. If Equal
// ignored a setting, its new value would not be used.
func TestSettingsEqualSeesEveryField(t *testing.T) {
	settings := reflect.TypeFor[event.Settings]()
	for i := range settings.NumField() {
		field := settings.Field(i)
		value, known := other[field.Type]
		if !known {
			t.Errorf("%s is a %v, and this test has no value of that type", field.Name, field.Type)
			continue
		}
		var a, b event.Settings
		reflect.ValueOf(&b).Elem().Field(i).Set(reflect.ValueOf(value))
		if a.Equal(&b) || b.Equal(&a) {
			t.Errorf("settings that differ in %s are equal", field.Name)
		}
		if !b.Equal(&b) {
			t.Errorf("settings with %s differ from themselves", field.Name)
		}
	}
	a, b := event.Settings{RetrySchedule: event.RetryPolicy{1, 2}}, event.Settings{RetrySchedule: event.RetryPolicy{1, 3}}
	if a.Equal(&b) {
		t.Error("settings with other schedules are equal")
	}
}
