package store_test

import (
	"reflect"
	"testing"

	"github.com/hookferry/hookferry/internal/store"
)

// A decorator that embeds a role silently passes on each method that is added to the role. So it
// must implement the methods of the roles that concern it itself.
func TestDecoratorsWriteOutWhatConcernsThem(t *testing.T) {
	subscriptions, queue := reflect.TypeFor[store.Subscriptions](), reflect.TypeFor[store.Queue]()
	for _, tt := range []struct {
		decorator reflect.Type
		role      reflect.Type
		reason    string
	}{
		{reflect.TypeFor[store.Sealed](), subscriptions, "subscriptions hold secrets"},
		{reflect.TypeFor[store.Cached](), subscriptions, "the cache holds subscriptions"},
		{reflect.TypeFor[store.Cached](), queue, "Record disables subscriptions"},
	} {
		for i := range tt.role.NumMethod() {
			method := tt.role.Method(i).Name
			for field := range tt.decorator.Fields() {
				if _, has := field.Type.MethodByName(method); field.Anonymous && has {
					t.Errorf("%v embeds %v, which passes %s on; implement the method, because %s", tt.decorator, field.Type, method, tt.reason)
				}
			}
		}
	}
}
